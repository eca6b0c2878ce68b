"""The NoiseTilt Sampler as a workflow runs it, its gradients made visible, and the stock sampler beside it."""

import torch

from benchmarks.memory_modes.gradient_node.ramp import Ramp

SETTINGS = dict(
    prompt="", strength=0.3, schedule="constant", start_percent=0.0, end_percent=1.0, every_nth=1, eta=1.0
)  # fmt: skip


class Spy:
    """A whitening that notes each gradient and gives it back with a norm of sqrt(N), as white noise has it."""

    def __init__(self):
        self.gradients = []

    def precondition(self, gradient, noise):
        self.gradients.append(gradient.clone())
        norm = torch.linalg.vector_norm(gradient.flatten(1), dim=1).view(-1, *[1] * (gradient.dim() - 1))
        return gradient / norm * gradient[0].numel() ** 0.5

    def retract(self, noise):
        return noise


class Changing(Ramp):
    """A ramp that does `what(look, rewards)` with its rewards, looks counted from 1."""

    def __init__(self, what):
        super().__init__()
        self.what, self.looks = what, 0

    def forward(self, images, prompts=None):
        self.looks += 1
        return self.what(self.looks, super().forward(images))


def tilted_sampler(vae, reward=None, spy=None, monkeypatch=None, **changes):
    """What the node gives, for a reward model or Ramp; `spy` whitens in the place of both."""
    from gper_pack.nodes.noise_tilt_sampler import NoiseTiltSampler
    from gper_pack.nodes.rewards.reward_handle import RewardHandle
    from gper_pack.preconditioning import WHITENINGS

    if spy is not None:
        monkeypatch.setitem(WHITENINGS, "both", spy)
    handle = reward if isinstance(reward, RewardHandle) else RewardHandle(reward or Ramp())
    with torch.inference_mode():
        node = NoiseTiltSampler.PREPARE_CLASS_CLONE(None)
        return node.execute(vae=vae, reward=handle, **{**SETTINGS, **changes})[0]


def sample(sampler, guider, noise, sigmas, latent=None, mask=None, states=None, seed=11):
    """As SamplerCustomAdvanced runs it: the latent as it leaves the guider. `states`: (x, denoised) of each step."""
    import comfy.samplers

    if isinstance(sampler, str):
        sampler = comfy.samplers.sampler_object(sampler)

    def look(step, denoised, x, total):
        if states is not None:
            states.append((x.clone(), denoised.clone()))

    with torch.inference_mode():
        latent = torch.zeros_like(noise) if latent is None else latent
        return guider.sample(
            noise, latent, sampler, torch.tensor(sigmas), denoise_mask=mask, callback=look, disable_pbar=True, seed=seed
        ).clone()


def fresh_noises(x, seed=11):
    """Those that the stock sampler draws on the CPU, one after another."""
    generator = torch.Generator().manual_seed(seed + 1)
    while True:
        yield torch.randn(x.shape, generator=generator)
