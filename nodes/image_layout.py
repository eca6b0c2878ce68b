"""ComfyUI's IMAGE (B, H, W, C) as the rewards want it."""

from torch import Tensor


def to_channels_first(images: Tensor) -> Tensor:
    """IMAGE (B, H, W, 3) in [0, 1] -> (B, 3, H, W) float32.

    Raises ValueError for pictures with an alpha channel.
    """
    if images.shape[-1] != 3:
        raise ValueError(
            f"The pictures have {images.shape[-1]} channels, rewards read 3 (RGB): remove the alpha channel first, "
            "for example with Split Image with Alpha."
        )
    return images.movedim(-1, 1).float().clone()
