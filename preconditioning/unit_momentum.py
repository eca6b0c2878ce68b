"""Gradient steps with momentum that have one length, whatever the length of the gradient."""

from collections.abc import Callable

import torch


class UnitMomentum(torch.optim.Optimizer):
    """Nesterov's momentum (1983, "A method of solving a convex programming problem") with steps of a given length:

        v = momentum v + g / rms(g);    d = g / rms(g) + momentum v;    x = x - lr d / rms(d),

    with the root mean square over the elements of each sample. So `lr` is the RMS change of an element in a step, as
    it is for Adam while the gradient keeps its direction. Adam divides every element by that element's own size, which
    drives the steps towards +-lr everywhere and the noise's distribution away from the normal one; here every element
    of a sample is scaled alike, so a sum of white gradients stays white.

    Parameters are (batch, ...); samples do not see each other. A sample whose gradient is zero goes on by its momentum,
    and rests where it has none.

    Args:
        params: as for any torch optimizer.
        lr: RMS change of an element per step, in units of the noise (its own RMS is 1).
        momentum: share of the last direction that is kept, in [0, 1).

    Raises:
        ValueError: for a learning rate that is not above 0, or a momentum out of range.
    """

    def __init__(self, params, lr: float, momentum: float = 0.9):
        if not lr > 0:
            raise ValueError(f"The learning rate is {lr}: set it above 0.")
        if not 0 <= momentum < 1:
            raise ValueError(f"The momentum is {momentum}: set it to 0 or more, and below 1; 0.9 is usual.")
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], torch.Tensor] | None = None) -> torch.Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                unit = _of_unit_rms(parameter.grad)
                velocity = self.state[parameter].get("velocity")
                velocity = unit if velocity is None else group["momentum"] * velocity + unit
                self.state[parameter]["velocity"] = velocity
                parameter.sub_(_of_unit_rms(unit + group["momentum"] * velocity), alpha=group["lr"])
        return loss


def _of_unit_rms(x: torch.Tensor) -> torch.Tensor:
    """Each sample of `x` (batch, ...) at a root mean square of 1; zero stays zero, whatever the scale."""
    largest = x.flatten(1).abs().amax(1)
    tiny = torch.finfo(x.dtype).tiny
    scaled = x / largest.clamp_min(tiny).view(-1, *[1] * (x.dim() - 1))  # its squares neither over- nor underflow
    rms = scaled.flatten(1).square().mean(1).sqrt()
    return scaled / rms.clamp_min(tiny).view(-1, *[1] * (x.dim() - 1))
