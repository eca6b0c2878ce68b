"""The real path of an optimization as a node takes it, its gradients made visible, and plain sampling beside it."""

from dataclasses import replace
from functools import partial

import torch

from benchmarks.memory_modes.gradient_node.ramp import Ramp

__all__ = ["Ramp", "optimize", "plain", "relative", "rounding"]


def optimize(
    guider, noise, vae, reward, memory, steps=1, sigmas=(1.0, 0.0), seen=None, latent=None, mask=None, callback=None
):
    """Run the real path as a node does, inside inference mode; gradients land in `seen`."""
    from gper_pack.nodes.differentiable.gradient_run import optimize_noise
    from gper_pack.nodes.differentiable.guided_sampling import GuidedSampling
    from gper_pack.optimization import Stopping, ascend
    from gper_pack.preconditioning import Unconstrained

    class Spy(Unconstrained):
        def precondition(self, gradient, x):
            if seen is not None:
                seen.append(gradient.clone())
            return gradient

    with torch.inference_mode():
        latent = torch.zeros_like(noise) if latent is None else latent
        return optimize_noise(
            GuidedSampling(guider, noise, latent, torch.tensor(sigmas), vae, reward, denoise_mask=mask),
            memory,
            partial(ascend, preconditioner=Spy(), stopping=Stopping(steps=steps), callback=callback),
        )


def only_in_stages(monkeypatch):
    """Let memory = auto begin where its ladder ends."""
    from gper_pack.nodes.differentiable.backward_plan import BackwardPlan

    monkeypatch.setattr(BackwardPlan, "_ladder", lambda self, most: [replace(most, staged=True)])


def plain(guider, noise, sigmas=(1.0, 0.0), latent=None, mask=None):
    """Stock sampling with the stock euler sampler."""
    import comfy.samplers

    latent = torch.zeros_like(noise) if latent is None else latent
    with torch.inference_mode():
        sampler = comfy.samplers.sampler_object("euler")
        return guider.sample(
            noise, latent, sampler, torch.tensor(sigmas), denoise_mask=mask, disable_pbar=True, seed=0
        ).clone()


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def rounding(dtype):
    """The largest relative error of one rounding to `dtype`: what limits for a computation in it are multiples of."""
    return torch.finfo(dtype).eps / 2
