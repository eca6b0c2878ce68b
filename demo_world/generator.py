"""Noise to latent: a FLUX transformer (diffusers) of 2 million parameters, with weights for one step or for many."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from .scene import PROMPTS

CONFIG = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 1,
    "num_single_layers": 6,
    "attention_head_dim": 128,
    "num_attention_heads": 1,
    "joint_attention_dim": 64,
    "pooled_projection_dim": 32,
    "guidance_embeds": False,
    "axes_dims_rope": (16, 56, 56),
}
CONTEXT_TOKENS = 2  # of a prompt; further ones, at first the same for all prompts, serve as landmarks


class Conditions(nn.Module):
    """The prompts as a table: learned context (P, T, 64) and pooled (P, 32) embeddings."""

    def __init__(self):
        super().__init__()
        self.context = nn.Parameter(torch.randn(len(PROMPTS), CONTEXT_TOKENS, CONFIG["joint_attention_dim"]))
        self.pooled = nn.Parameter(torch.randn(len(PROMPTS), CONFIG["pooled_projection_dim"]))


class Generator(nn.Module):
    """(B, 16, H, W) noise, H and W even -> denoised latents of that shape, in one rectified-flow step.

    The weights for many steps have the same shapes; `flow.py` takes their steps.
    """

    def __init__(self):
        super().__init__()
        # Heavy, and absent in some ComfyUI installs, which bring their own FLUX.
        from diffusers import FluxTransformer2DModel

        self.transformer = FluxTransformer2DModel(**CONFIG)
        self.conditions = Conditions()

    def velocity(self, x: torch.Tensor, prompt: torch.Tensor, sigma: torch.Tensor | None = None) -> torch.Tensor:
        """The transformer's output for noised latents: denoised = x - sigma * velocity.

        Args:
            x: (B, 16, H, W), (1 - sigma) * latent + sigma * noise.
            prompt: (B,) int64, index into `PROMPTS`.
            sigma: (B,) in (0, 1]; 1 by default, where x is noise alone.
        """
        batch, channels, height, width = x.shape
        rows, columns = height // 2, width // 2
        tokens = x.reshape(batch, channels, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
        grid = torch.cartesian_prod(torch.zeros(1), torch.arange(float(rows)), torch.arange(float(columns)))
        velocity = self.transformer(
            hidden_states=tokens.reshape(batch, rows * columns, channels * 4),
            encoder_hidden_states=self.conditions.context[prompt],
            pooled_projections=self.conditions.pooled[prompt],
            timestep=x.new_ones(batch) if sigma is None else sigma,
            img_ids=grid.to(x),
            txt_ids=x.new_zeros(self.conditions.context.shape[1], 3),
            return_dict=False,
        )[0]
        velocity = velocity.reshape(batch, rows, columns, channels, 2, 2).permute(0, 3, 1, 4, 2, 5)
        return velocity.reshape(x.shape)

    def forward(self, noise: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
        return noise - self.velocity(noise, prompt)

    @torch.no_grad()
    def add_context(self, tokens: int, generator: torch.Generator) -> None:
        """Give every prompt so many more tokens, drawn alike for all: to a patch each is a landmark at place zero."""
        drawn = torch.randn(tokens, CONFIG["joint_attention_dim"], generator=generator)
        context = self.conditions.context
        self.conditions.context = nn.Parameter(torch.cat([context, drawn.expand(len(context), -1, -1)], 1))

    def save(self, transformer: Path, conditions: Path | None = None, dtype: torch.dtype = torch.float16) -> None:
        """Write the transformer under diffusers' keys, which ComfyUI reads too, and the table of prompts if named."""
        tensors = {k: v.to(dtype).contiguous() for k, v in self.transformer.state_dict().items()}
        save_file(tensors, transformer)
        if conditions is not None:
            save_file({k: v.contiguous() for k, v in self.conditions.state_dict().items()}, conditions)

    def load(self, transformer: Path, conditions: Path) -> "Generator":
        """Fill in the weights of files that `save` wrote; they become float32."""
        self.transformer.load_state_dict({k: v.float() for k, v in load_file(transformer).items()})
        table = load_file(conditions)
        # The context may be longer than that of new weights.
        self.conditions.context, self.conditions.pooled = (
            nn.Parameter(table[name].float()) for name in ("context", "pooled")
        )
        return self
