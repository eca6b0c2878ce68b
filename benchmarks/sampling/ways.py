"""The ways to sample towards a reward. All step as ComfyUI's `euler_ancestral` does for flow models.

Strengths are in units of the injected noise: a gradient of root mean square 1 takes the share rho of its variance, or
is added with that variance, so the same values suit all. At N values in a sample the step moves by sqrt(rho N)
standard deviations along it. The values are a factor of 4 apart in rho, of 2 in that movement.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from demo_world.flow import ancestral_step
from optimization.noise_tilt import NoiseTilt
from optimization.reward_gradient import evaluate
from preconditioning.whitenings import WHITENINGS

from ..comparison.contenders import METHODS, SEED_STRIDE
from ..comparison.contenders import Task as OptimizerTask
from .subject import FEW_STEPS, SteppedSubject

STEPS = 25
STRENGTHS = tuple(4.0**k for k in range(-5, 0))
GRADIENT_COST = 3  # forwards that a forward with its backward counts for


@dataclass(frozen=True)
class Task:
    """A batch of samples to draw. seeds: one for each."""

    subject: SteppedSubject
    seeds: tuple[int, ...]

    @property
    def prompts(self) -> list[str]:
        return [self.subject.prompts[seed % len(self.subject.prompts)] for seed in self.seeds]

    def draws(self, candidate: int = 0) -> Callable[[], Tensor]:
        """White noise (B, C, H, W) at each call, the start first; a sample's does not hang on its batch."""
        generators = [torch.Generator().manual_seed(SEED_STRIDE * (seed + 1) + candidate) for seed in self.seeds]
        shape = self.subject.latent_shape
        return lambda: torch.stack([torch.randn(shape, generator=generator) for generator in generators])

    def reward(self, images: Tensor) -> Tensor:
        return self.subject.reward(images, self.prompts)

    def steps(self) -> list[tuple[Tensor, Tensor]]:
        sigmas = self.subject.schedule(STEPS)
        return list(zip(sigmas, sigmas[1:], strict=False))


@dataclass(frozen=True)
class Sampled:
    """tensor: (B, C, H, W), the latents, or with `few_steps` the start noise of a few plain steps. injected: (B, steps,
    C, H, W), the noise that came in after the start, or the optimized start; None where it is white by construction."""

    tensor: Tensor
    injected: Tensor | None = None
    few_steps: bool = False


class UnitScale:
    """A gradient as it is, at a root mean square of 1."""

    def precondition(self, gradient: Tensor, noise: Tensor) -> Tensor:
        scale = gradient.square().mean((1, 2, 3), keepdim=True).sqrt()
        return gradient / scale.clamp_min(torch.finfo(gradient.dtype).tiny)


class MeanShift(NoiseTilt):
    """The gradient is added, and no noise taken away for it: as in DPS (arXiv 2209.14687), in other units."""

    def tilted(self, noise: Tensor, gradient: Tensor, rho: float, movable: Tensor | None = None) -> Tensor:
        return noise + rho**0.5 * self.whitening.precondition(gradient, noise)


def sample(task: Task, tilt: NoiseTilt | None = None, through_model: bool = True, candidate: int = 0) -> Sampled:
    """One sample each. through_model: False holds the model's output constant in the gradient."""
    subject, prompts, draw = task.subject, task.prompts, task.draws(candidate)
    x, injected, steps = draw(), [], task.steps()
    for index, (now, then) in enumerate(steps):
        rho = tilt.rho(index, len(steps) - 1) if tilt and then > 0 else 0.0
        if rho:
            latent, gradient = _denoised_and_gradient(task, x, now, through_model)
        else:
            with torch.no_grad():
                latent = subject.denoised(x, now, prompts)
        if then == 0:
            break
        mean, size = ancestral_step(x, latent, now, then)
        noise = draw()
        if rho:
            noise = tilt.tilted(noise, gradient, rho)
        injected.append(noise)
        x = mean + size * noise
    return Sampled(latent, torch.stack(injected, 1))


def _denoised_and_gradient(task: Task, x: Tensor, sigma: Tensor, through_model: bool) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_(True)
    latents = []

    def generate(x: Tensor) -> Tensor:
        if through_model:
            latents.append(task.subject.denoised(x, sigma, task.prompts))
        else:
            with torch.no_grad():
                known = task.subject.denoised(x, sigma, task.prompts)
            latents.append(known + (x - x.detach()))
        return task.subject.decode(latents[-1])

    with task.subject.graph_context():
        gradient = evaluate(x, generate, task.reward)[2]
    return latents[-1].detach(), gradient


def best_of_n(task: Task, count: int) -> Sampled:
    """Each sample the best of so many by the target."""
    best, best_reward = None, None
    for candidate in range(count):
        latent = sample(task, candidate=candidate).tensor
        reward = _reward(task, latent)
        best, best_reward = _better(best, best_reward, latent, reward)
    return Sampled(best)


def best_of_n_per_step(task: Task, count: int) -> Sampled:
    """At every step, of so many noises that whose denoised picture the target likes best: SVDD (arXiv 2408.08252)."""
    subject, prompts, draw = task.subject, task.prompts, task.draws()
    x, injected = draw(), []
    with torch.no_grad():
        latent = subject.denoised(x, subject.schedule(STEPS)[0], prompts)
        for now, then in task.steps()[:-1]:
            mean, size = ancestral_step(x, latent, now, then)
            best, best_reward = None, None
            for _ in range(count):
                noise = draw()
                after = subject.denoised(mean + size * noise, then, prompts)
                reward = _reward(task, after)
                best, best_reward = _better(best, best_reward, torch.stack([noise, after], 1), reward)
            noise, latent = best.unbind(1)
            injected.append(noise)
            x = mean + size * noise
    return Sampled(latent, torch.stack(injected, 1))


def optimized_start(task: Task, step_size: float, steps: int) -> Sampled:
    """The start noise optimized by GPER through a few plain steps of the same model; no noise is injected."""
    prompts = task.prompts
    problem = OptimizerTask(task.draws()(), lambda x: task.subject.generate(x, prompts), task.reward, task.seeds,
                            task.subject.graph_context)
    record = METHODS["gper"].run(problem, step_size, steps, lambda step: None)
    return Sampled(record.best_noise, record.best_noise[:, None], few_steps=True)


@torch.no_grad()
def _reward(task: Task, latent: Tensor) -> Tensor:
    return task.reward(task.subject.decode(latent)).cpu()


def _better(best: Tensor | None, best_reward: Tensor | None, new: Tensor, reward: Tensor) -> tuple[Tensor, Tensor]:
    if best is None:
        return new, reward
    improved = reward > best_reward
    return torch.where(improved.view(-1, *[1] * (new.dim() - 1)).to(new.device), new, best), reward.maximum(best_reward)


@dataclass(frozen=True)
class Way:
    """name: on the command line and in files. settings: what may be chosen between; a single None for nothing.

    run: (task, setting, count). evaluations: forwards of the model by count, a gradient for three. counted: whether
    the count can follow a budget.
    """

    name: str
    label: str
    run: Callable[[Task, float | None, int], Sampled]
    evaluations: Callable[[int], int]
    settings: tuple[float | None, ...] = (None,)
    counted: bool = False

    def count(self, evaluations: float) -> int:
        """How many fit in so many evaluations, at least one."""
        each = self.evaluations(2) - self.evaluations(1)
        return max(1, round((evaluations - self.evaluations(0)) / each))


_NOISES = STEPS - 1
_GUIDED = _NOISES * GRADIENT_COST + 1


def _tilting(name: str, label: str, whitening: object, kind: type[NoiseTilt] = NoiseTilt, through_model: bool = True,
             schedule: str = "constant") -> Way:
    return Way(name, label,
               lambda task, strength, _: sample(task, kind(whitening, strength, schedule), through_model),
               lambda _: _GUIDED if through_model else STEPS, STRENGTHS)


PLAIN, REFERENCE, SEEDS = "plain", "tilt-both", "best-of-n"
WAYS = {way.name: way for way in (
    Way(PLAIN, "plain sampling", lambda task, _, count: sample(task), lambda _: STEPS),
    Way(SEEDS, "best of n", lambda task, _, count: best_of_n(task, count), lambda n: STEPS * n, counted=True),
    Way("best-per-step", "best of n per step", lambda task, _, count: best_of_n_per_step(task, count),
        lambda n: _NOISES * n + 1, counted=True),
    Way("optimizer", "Noise Optimizer", optimized_start,
        lambda n: GRADIENT_COST * FEW_STEPS * (n + 1), METHODS["gper"].step_sizes, counted=True),
    _tilting("shift", "gradient added", UnitScale(), MeanShift),
    _tilting("raw", "raw gradient", UnitScale()),
    *(_tilting(f"tilt-{name.lower()}", f"NoiseTilt, {label}", WHITENINGS[name])
      for name, label in (("both", "both"), ("NoiseTilt", "intervals"), ("GPER", "projection"))),
    _tilting("tilt-both-falling", "NoiseTilt, falling", WHITENINGS["both"], schedule="falling"),
    _tilting("tilt-both-cheap", "NoiseTilt, model constant", WHITENINGS["both"], through_model=False),
)}
