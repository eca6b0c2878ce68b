"""White noise of another size that paints the same layout: its low frequencies are those of a given noise."""

import torch

from .cosine_transform import cosine_transform, from_cosine_transform
from .spectral_blocks import BLOCK_SIZE
from .white_noise import block_norm_deviations, project_white_gaussian

# White noise is off by some 0.4 in its worst block, a member of the set by rounding, of half precision at most.
_MEMBERS_DEVIATION = 0.05


@torch.no_grad()
def resize_white_noise(
    noise: torch.Tensor,
    height: int,
    width: int,
    generator: torch.Generator | None = None,
    block_size: int = BLOCK_SIZE,
) -> torch.Tensor:
    """Noise of `height` rows and `width` columns that is white wherever `noise` is, with its low frequencies.

    In the orthonormal cosine transform (DCT-II; Ahmed, Natarajan and Rao 1974, "Discrete cosine transform") of rows and
    columns of each plane, white noise has white coefficients in every size, and the k-th one is a wave of k half
    periods along the side, however long that is. So the coefficients that both sizes have are kept, those that only the
    new size has are drawn, and those that only the old one has are dropped: exactly white Gaussian noise from exactly
    white Gaussian noise. With another aspect the layout is stretched.

    A sample that is in the set of `project_white_gaussian`, as optimized noise is, is projected onto that of the new
    size. This turns the kept part a little: it keeps a cosine of 0.99 and more to what it was.

    Args:
        noise: real, shape (batch, ..., rows, columns), such as a latent's; leading axes (channels, frames) stay. Not
            changed.
        height, width: of the result, in elements, at least 1.
        generator: source of the fresh coefficients, drawn on its device.
        block_size: of the set. A member for blocks that make up whole ones of this size is one for this size too; of
            all others the result is white, and no member.

    Returns:
        new tensor (batch, ..., height, width) of the dtype and device of `noise`. Of the same size: a copy.

    Raises:
        ValueError: a noise without rows and columns, or not finite; a side below 1; a member of the set for whose new
            size there is none, because it has an odd number of elements.
    """
    if noise.dim() < 3 or not noise.is_floating_point():
        raise ValueError(
            f"the noise must be real and have shape (batch, ..., rows, columns), got {noise.dtype} of shape "
            f"{tuple(noise.shape)}"
        )
    if height < 1 or width < 1:
        raise ValueError(f"the new size is {width} x {height}: both sides must be 1 or more")
    if not torch.isfinite(noise).all():
        raise ValueError("the noise holds NaN or infinite values, which no other size can mend")
    if noise.shape[-2:] == (height, width):
        return noise.clone()
    working = torch.float64 if noise.dtype == torch.float64 else torch.float32
    source = noise.device if generator is None else generator.device
    drawn = torch.randn((*noise.shape[:-2], height, width), generator=generator, dtype=working, device=source)
    coefficients = drawn.to(noise.device)
    rows, columns = min(noise.shape[-2], height), min(noise.shape[-1], width)
    coefficients[..., :rows, :columns] = cosine_transform(noise.to(working))[..., :rows, :columns]
    resized = from_cosine_transform(coefficients)
    members = _members(noise, block_size)
    if members.any():
        resized[members] = project_white_gaussian(resized[members], block_size)
    return resized.to(noise.dtype)


def _members(noise: torch.Tensor, block_size: int) -> torch.Tensor:
    """(batch,) bool: which samples are in the set of `project_white_gaussian`."""
    if noise[0].numel() < 4 or noise[0].numel() % 2:
        return torch.zeros(noise.shape[0], dtype=torch.bool, device=noise.device)
    one_norm, energy = block_norm_deviations(noise, block_size)
    return (torch.maximum(one_norm.abs(), energy.abs()) < _MEMBERS_DEVIATION).all(1)
