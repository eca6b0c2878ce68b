"""What is sampled from, and the demo world's model of many steps."""

from typing import Protocol

import torch
from torch import Tensor

from demo_world import flow, load_flow

from ..comparison.demo_subject import DemoSubject, Subject

FEW_STEPS = 4  # through which the start noise is optimized


class SteppedSubject(Subject, Protocol):
    """A flow model, step by step; `generate` goes through `FEW_STEPS` plain ones."""

    def schedule(self, steps: int) -> Tensor:
        """Noise levels (steps + 1,) from 1 to 0."""
        ...

    def denoised(self, x: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
        """The latents (B, C, H, W) expected behind `x` at a level, a scalar tensor; differentiable."""
        ...

    def decode(self, latent: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) of latents; differentiable."""
        ...


class FlowSubject(DemoSubject):
    """The demo world's flow model, with the decoder, rewards and judges of its one-step model."""

    name = "demo world of many steps"

    def __init__(self, decoder_dtype: str = "float32") -> None:
        super().__init__(decoder_dtype)
        self._flow = load_flow()

    def _indices(self, prompts: list[str]) -> Tensor:
        return torch.tensor([self.prompts.index(prompt) for prompt in prompts])

    def schedule(self, steps: int) -> Tensor:
        return flow.sigmas(steps)

    def denoised(self, x: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
        return flow.denoised(self._flow, x, self._indices(prompts), sigma)

    def generate(self, noise: Tensor, prompts: list[str]) -> Tensor:
        return self.decode(flow.euler(self._flow, noise, self._indices(prompts), FEW_STEPS))
