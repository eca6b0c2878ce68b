"""Noise as flat rows, one a sample: what is accepted, in which dtype and at which scale it is worked on."""

import math

import torch

from .spectral_blocks import check_block_size


def white_rows(x: torch.Tensor, block_size: int) -> torch.Tensor:
    """Check `x` (batch, ...) and return it as rows (batch, N) of the working dtype.

    Half precision is worked on in float32; float32 and float64 stay, so that devices without float64 work.

    Raises:
        ValueError: `x` is no real floating-point tensor of one sample or more, each of an even number of elements, at
            least 4; or the block size is below 2.
    """
    check_block_size(block_size)
    if not x.is_floating_point():
        raise ValueError(f"the noise must be a real floating-point tensor, got {x.dtype}; convert it to float32 first")
    if x.dim() < 2:
        raise ValueError(
            f"the noise must have shape (batch, ...), got {tuple(x.shape)}; use x.unsqueeze(0) for a single sample"
        )
    if x.shape[0] == 0:
        raise ValueError(f"the noise must hold at least one sample, got {tuple(x.shape)}")
    length = math.prod(x.shape[1:])
    if length < 4 or length % 2:
        even = max(4, length - length % 2)
        works = f"{even} or {even + 2}" if length > 4 else "4 or more"
        raise ValueError(
            f"a sample needs an even number of elements, at least 4, got {length} from shape "
            f"{tuple(x.shape)}; {works} would work (make the latent's width or height even)"
        )
    return x.reshape(x.shape[0], -1).to(torch.float64 if x.dtype == torch.float64 else torch.float32)


def unit_scale(rows: torch.Tensor, check_finite: bool = True) -> torch.Tensor:
    """Divide each row of `rows` (batch, N) by its mean magnitude, so that nothing over- or underflows later.

    Rows of zeros, or of magnitudes below the smallest normal number, become zero.

    Args:
        rows: any floating dtype, which the result has too.
        check_finite: False saves an accelerator's host the wait; rows that are not finite become NaN then.

    Raises:
        ValueError: a row is not finite.
    """
    magnitudes = rows.abs()
    scale = magnitudes.mean(1)
    finite = torch.isfinite(scale)
    if check_finite and not finite.all():
        bad = ", ".join(map(str, torch.nonzero(~finite).flatten().tolist()))
        raise ValueError(
            f"sample {bad} of the batch holds NaN, infinite or overflowing values, which "
            "have no nearest white noise; lower the step size or compute in a higher precision"
        )
    scale = torch.where(scale < torch.finfo(rows.dtype).tiny, math.inf, torch.where(finite, scale, math.nan))
    return torch.div(rows, scale[:, None], out=magnitudes)
