"""What a user would write instead: the loop of ReNO (arXiv 2406.04312) on diffusers, with its own checkpointing."""

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from torch import Tensor, nn

from preconditioning.norm_penalty import norm_penalty

from ..shared import now
from .geometry import LATENT_CHANNELS, SCALE, SHIFT, Inputs
from .measuring import Samples, peak_memory

LEARNING_RATE, PENALTY, MAX_NORM = 0.02, 0.01, 0.1


class Peer:
    """One-step FLUX, decoded and scored, its noise optimized by Adam with a penalty on the noise's norm."""

    def __init__(self, transformer: FluxTransformer2DModel, vae: AutoencoderKL, reward: nn.Module, inputs: Inputs):
        self.transformer, self.vae, self.reward = transformer, vae, reward
        self.device, self.dtype = transformer.device, transformer.dtype
        self.noise = inputs.noise.to(self.device)
        batch, _, rows, columns = self.noise.shape
        self.text = inputs.text.to(self.device, self.dtype).repeat(batch, 1, 1)
        self.pooled = inputs.pooled.to(self.device, self.dtype).repeat(batch, 1)
        y, x = torch.meshgrid(torch.arange(rows // 2), torch.arange(columns // 2), indexing="ij")
        self.positions = torch.stack([torch.zeros_like(y), y, x], -1).reshape(-1, 3).to(self.device, torch.float32)

    def pictures(self, noise: Tensor) -> Tensor:
        """(B, 16, h, w) -> (B, 3, 8h, 8w) in [0, 1], by one Euler step from sigma 1."""
        batch, _, rows, columns = noise.shape
        tokens = nn.functional.pixel_unshuffle(noise, 2).flatten(2).transpose(1, 2)
        velocity = self.transformer(
            hidden_states=tokens.to(self.dtype), encoder_hidden_states=self.text, pooled_projections=self.pooled,
            timestep=torch.ones(batch, device=self.device, dtype=self.dtype), img_ids=self.positions,
            txt_ids=torch.zeros(self.text.shape[1], 3, device=self.device)).sample.float()
        velocity = velocity.transpose(1, 2).reshape(batch, 4 * LATENT_CHANNELS, rows // 2, columns // 2)
        latent = (noise - nn.functional.pixel_shuffle(velocity, 2)) / SCALE + SHIFT
        return ((self.vae.decode(latent.to(self.dtype)).sample.float() + 1) / 2).clamp(0, 1)

    def set_checkpointing(self, on: bool) -> None:
        for part in (self.transformer, self.vae):
            (part.enable_gradient_checkpointing if on else part.disable_gradient_checkpointing)()

    def gradient(self) -> Tensor:
        """Of the reward at the start noise, with checkpointing."""
        self.set_checkpointing(True)
        x = self.noise.clone().requires_grad_(True)
        return torch.autograd.grad(self.reward(self.pictures(x)).sum(), x)[0]

    def measure(self, checkpointing: bool, steps: int, samples: Samples, count_memory: bool) -> None:
        """Time `steps` steps after a first one, whose memory may be counted instead."""
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

        if count_memory:
            with peak_memory(self.device, samples):
                step()
        for _ in range(steps):
            started = now(self.device)
            step()
            samples.seconds.append(now(self.device) - started)
