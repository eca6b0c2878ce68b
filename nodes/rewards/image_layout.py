"""ComfyUI's IMAGE (B, H, W, C) as the rewards want it."""

from torch import Tensor

from ...reward_models.base import check_range


def to_channels_first(images: Tensor) -> Tensor:
    """IMAGE (B, H, W, 3) in [0, 1] -> (B, 3, H, W) float32.

    Raises:
        ValueError: an empty batch, another number of channels, or values of another range, such as 0..255.
    """
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            f"The pictures come as a batch of shape {tuple(images.shape)}, in which there is no picture: check the "
            "node that makes them."
        )
    channels = images.shape[-1]
    if channels != 3:
        remedy = {
            1: "turn grey into RGB first, with Convert Image to Mask and Convert Mask to Image.",
            4: "remove the alpha channel first, for example with Split Image with Alpha.",
        }.get(channels, "check the node that makes them.")
        raise ValueError(f"The pictures have {channels} channel(s), rewards read 3 (RGB): {remedy}")
    pictures = images.movedim(-1, 1).float().clone()
    check_range(pictures)
    return pictures
