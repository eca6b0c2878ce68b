"""The reward of what a generator makes of noise, and its gradient: the evaluation of an ascent and of a tilted step."""

from collections.abc import Callable

import torch
from torch import Tensor

from .evaluations import checked_rewards


def evaluate(
    x: Tensor, generate: Callable[[Tensor], Tensor], reward: Callable[[Tensor], Tensor], wanted: bool = True
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Images, rewards (B,) and, where it is wanted and there is one, the gradient (B, ...); all detached.

    Args:
        x: (B, ...), which requires a gradient.
        generate: x -> images (B, 3, H, W) in [0, 1].
        reward: images -> (B,), larger is better.
        wanted: whether a gradient is.

    Raises:
        ValueError: the rewards are not (B,).
    """
    with torch.set_grad_enabled(wanted):
        images = generate(x)
        rewards = checked_rewards(reward(images), x.shape[0])
        differentiable = wanted and rewards.requires_grad
        gradient = torch.autograd.grad(rewards.sum(), x, allow_unused=True)[0] if differentiable else None
    return images.detach(), rewards.detach(), gradient


def read(
    x: Tensor, rewards: Tensor, gradient: Tensor | None, wanted: bool = True
) -> tuple[Tensor, Tensor, Callable[[int], str]]:
    """Rewards (B,) and which samples can take a step (B,), both on the CPU, and what hinders one that cannot.

    wanted: whether a gradient is needed; it is not in the last evaluation.

    Everything travels in one transfer: the only time per step that the device is waited for.
    """
    noise = x.detach().flatten(1)
    checks = [rewards.float().to(noise.device), torch.isfinite(noise).all(1).float()]  # the VAE's may be another device
    if gradient is not None:
        flat = gradient.flatten(1)
        checks += [torch.isfinite(flat).all(1).float(), (flat != 0).any(1).float()]
    rewards_read, finite_noise, *gradient_checks = torch.stack(checks).cpu()
    rewards_read = torch.where(finite_noise.bool(), rewards_read, torch.nan)
    finite_reward = torch.isfinite(rewards_read)
    if gradient_checks:
        finite_gradient, nonzero = (check.bool() for check in gradient_checks)
        usable = finite_reward & finite_gradient & nonzero
    else:
        usable = finite_reward & (not wanted)

    def obstacle(sample: int) -> str:
        if not finite_noise[sample]:
            return "the last step made the noise not finite"
        if not finite_reward[sample]:
            return "the reward is not finite"
        if gradient is None:
            return "the reward has no gradient"
        return "the gradient is zero" if finite_gradient[sample] else "the gradient is not finite"

    return rewards_read, usable, obstacle
