"""What a NOISE gives for a latent, checked: other packs make noises too."""

import torch
from torch import Tensor


def drawn_noise(noise, latent: dict) -> Tensor:
    """The noise of the NOISE `noise` for the LATENT `latent`, in the shape of its samples, finite.

    Raises:
        ValueError: the latent holds several, or the noise is no tensor of its shape, or not finite.
    """
    samples = latent["samples"]
    if samples.is_nested:
        raise ValueError("The latent holds several latents of different shape: connect a picture latent.")
    drawn = noise.generate_noise(latent)
    if not isinstance(drawn, Tensor) or drawn.shape != samples.shape or not drawn.is_floating_point():
        what = f"{drawn.dtype} of shape {tuple(drawn.shape)}" if isinstance(drawn, Tensor) else type(drawn).__name__
        raise ValueError(
            f"noise gave {what} for a latent of shape {tuple(samples.shape)}: check the node that makes it, or connect "
            "the latent that it is for."
        )
    check_finite(drawn)
    return drawn


def check_finite(noise: Tensor) -> None:
    """Raise ValueError unless all of `noise` (B, ...) is finite."""
    bad = [i + 1 for i, sample in enumerate(noise) if not torch.isfinite(sample).all()]
    if bad:
        where = f" in {'picture' if len(bad) == 1 else 'pictures'} {', '.join(map(str, bad))}" if len(noise) > 1 else ""
        raise ValueError(f"noise holds values that are not finite{where}: check the node that makes it.")
