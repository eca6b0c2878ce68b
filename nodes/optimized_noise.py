"""A NOISE that holds an optimized tensor."""

import torch
from torch import Tensor

from .noise_history import UNKNOWN, NoiseHistory

REMEDY = "Use the same width, height and batch size in both places, or optimize again for this size."


class OptimizedNoise:
    """Feeds SamplerCustomAdvanced with a noise that was optimized for one latent size.

    seed: the seed of the noise it grew from. noise: (B, C, ...) on the CPU. history: how it came about.
    remedy: what to do about a latent of another size, a sentence.
    """

    def __init__(self, seed: int, noise: Tensor, history: NoiseHistory = UNKNOWN, remedy: str = REMEDY):
        self.seed = seed
        self.noise = noise
        self.history = history
        self.remedy = remedy

    def generate_noise(self, input_latent: dict) -> Tensor:
        """The noise for the LATENT ``input_latent``, typed like its samples.

        ``batch_index`` picks samples of the optimized batch, as it does for ComfyUI's own noise.
        Raises ValueError for a latent of another size or batch.
        """
        samples = input_latent["samples"]
        noise = self.noise
        batch_index = input_latent.get("batch_index")
        if batch_index is not None and max(batch_index) < noise.shape[0]:
            noise = noise[torch.as_tensor(batch_index)]
        if samples.shape != noise.shape:
            raise ValueError(
                f"This noise was optimized for a latent of shape {tuple(self.noise.shape)}, but the latent here has "
                f"shape {tuple(samples.shape)}. {self.remedy}"
            )
        return noise.to(samples.dtype, copy=True)
