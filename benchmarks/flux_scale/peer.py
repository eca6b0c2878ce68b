"""What a user would write instead: the loop of ReNO (arXiv 2406.04312) on diffusers, with its own checkpointing."""

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from torch import Tensor, nn

from preconditioning.norm_penalty import norm_penalty
from without_comfyui.better_noise import flux_images

from ..shared import now
from .geometry import Inputs
from .measuring import peak_memory
from .report import Result

LEARNING_RATE, PENALTY, MAX_NORM = 0.02, 0.01, 0.1


class Peer:
    """One-step FLUX, decoded and scored, its noise optimized by Adam with a penalty on the noise's norm."""

    def __init__(self, transformer: FluxTransformer2DModel, vae: AutoencoderKL, reward: nn.Module, inputs: Inputs):
        self.parts, self.reward, self.device = (transformer, vae), reward, transformer.device
        self.noise = inputs.noise.to(self.device)
        text, pooled = (given.to(self.device, transformer.dtype).repeat_interleave(len(self.noise), 0)
                        for given in (inputs.text, inputs.pooled))
        self.pictures = flux_images(transformer, vae, text, pooled)

    def set_checkpointing(self, on: bool) -> None:
        for part in self.parts:
            (part.enable_gradient_checkpointing if on else part.disable_gradient_checkpointing)()

    def gradient(self) -> Tensor:
        """Of the reward at the start noise, with checkpointing."""
        self.set_checkpointing(True)
        x = self.noise.clone().requires_grad_(True)
        return torch.autograd.grad(self.reward(self.pictures(x)).sum(), x)[0]

    def measure(self, checkpointing: bool, steps: int, result: Result) -> None:
        """Time `steps` steps after a first one, in which memory is counted, unless it has been."""
        self.set_checkpointing(checkpointing)
        x = self.noise.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([x], lr=LEARNING_RATE)

        def step() -> None:
            optimizer.zero_grad()
            loss = PENALTY * norm_penalty(x).sum() - self.reward(self.pictures(x)).sum()
            loss.backward()
            nn.utils.clip_grad_norm_([x], MAX_NORM)
            optimizer.step()
            loss.item()

        if not result.peak_bytes:
            with peak_memory(self.device, result):
                step()
        for _ in range(steps):
            started = now(self.device)
            step()
            result.seconds.append(now(self.device) - started)
