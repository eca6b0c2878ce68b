"""The interface shared by all reward models, and the one place where their inputs are checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

# Decoders overshoot [0, 1] a little; values beyond this band are another convention ([-1, 1], 0..255).
_OVERSHOOT = 0.5


class RewardModel(nn.Module):
    """A differentiable score of images, optionally given a prompt. Larger is better.

    Attributes:
        name: the name shown to the user.
        needs_prompt: whether the score depends on the prompt; others ignore it.
        typical_range: (low, high) of the scores of ordinary images, for display; not a bound.
        min_side: smallest accepted height and width, in pixels.

    Subclasses implement `score`. Weights are frozen; the gradient flows to the images only. Nothing depends
    on a device outside parameters and buffers, so `.to(device)` from outside is always allowed.
    """

    name: str = ""
    needs_prompt: bool = False
    typical_range: tuple[float, float] = (0.0, 1.0)
    min_side: int = 16

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        """Score checked images (B, 3, H, W) against checked prompts (B strings, or None). Returns (B,)."""
        raise NotImplementedError

    def recomputable_layers(self) -> Iterable[nn.Module]:
        """The layers whose activations may be recomputed during backward instead of kept."""
        return ()

    def forward(self, images: Tensor, prompts: str | Sequence[str] | None = None) -> Tensor:
        """Score a batch of images.

        Args:
            images: (B, 3, H, W), floating point, RGB in [0, 1], any size of at least `min_side`. Values are
                looked at only in images that need no gradient: an ascent, which makes its own pictures, does not
                wait for the device.
            prompts: one string for all images, or B strings. Ignored by models that need no prompt.

        Returns:
            (B,) scores on the device of the images, float32 (float64 for float64 images).

        Raises:
            ValueError: an input has the wrong shape or type, images are not in [0, 1], or a prompt is missing.
        """
        check_images(images, self.min_side)
        if not images.requires_grad:
            check_range(images)
        prompts = check_prompts(prompts, images.shape[0], self.name) if self.needs_prompt else None
        weight = next(self.parameters(), None)
        if weight is None:
            weight = next(self.buffers(), None)
        if weight is not None and weight.dtype == torch.float16:
            raise ValueError(_FLOAT16_REFUSED.format(name=self.name))
        wide = at_least_float32(images)
        scores = self.score(wide if weight is None else wide.to(weight.device), prompts)
        return scores.to(device=images.device, dtype=wide.dtype)


_FLOAT16_REFUSED = (
    "{name} cannot run in float16: the pixel gradients of a score fall below 6e-8, the smallest float16 "
    "number, and vanish. Load it as bfloat16 or float32."
)


def at_least_float32(x: Tensor) -> Tensor:
    """`x` itself when float32 or float64, a float32 copy of 16-bit tensors."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def check_dtype(dtype: torch.dtype, name: str) -> None:
    """Raise ValueError for weight dtypes in which the gradient of a score is not reliable. name: of the file."""
    if dtype == torch.float16:
        raise ValueError(_FLOAT16_REFUSED.format(name=name))
    if dtype not in (torch.float32, torch.bfloat16, torch.float64):
        raise ValueError(f"{name} runs in float32 or bfloat16, not in {dtype}.")


def check_images(images: Tensor, min_side: int) -> None:
    """Raise ValueError unless `images` is (B, 3, H, W), floating point and large enough."""
    if not isinstance(images, Tensor) or images.ndim != 4:
        got = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"images must be a tensor of shape (batch, 3, height, width); got {got}.")
    batch, channels, height, width = images.shape
    if channels == 4:
        raise ValueError("images have 4 channels; drop the alpha channel: images[:, :3].")
    if channels != 3:
        remedy = " Channels come second: images.permute(0, 3, 1, 2)." if width == 3 else ""
        raise ValueError(f"images must have 3 channels (RGB); got shape {tuple(images.shape)}.{remedy}")
    if batch == 0:
        raise ValueError("images hold no picture: the batch is empty.")
    if not images.is_floating_point():
        raise ValueError(f"images must be floating point in [0, 1]; got {images.dtype}. Divide 8-bit images by 255.")
    if min(height, width) < min_side:
        raise ValueError(f"images are too small: {width}x{height} pixels; at least {min_side}x{min_side} are needed.")


def check_range(images: Tensor) -> None:
    """Raise ValueError if images (B, 3, H, W) are far outside [0, 1]. What is not finite passes."""
    low, high = (float(bound) for bound in images.detach().nan_to_num(0.0, 0.0, 0.0).aminmax())
    if low < -_OVERSHOOT or high > 1 + _OVERSHOOT:
        raise ValueError(
            f"images must lie in [0, 1]; got values from {low:.3g} to {high:.3g}. "
            "Rescale them: [-1, 1] by (x + 1) / 2, 0..255 by x / 255."
        )


def check_prompts(prompts: str | Sequence[str] | None, batch: int, name: str) -> list[str]:
    """One prompt per image: a string is repeated, a list must have `batch` entries.

    Args:
        prompts: what a reward model was given.
        batch: number of images.
        name: of the reward, for the message.

    Raises:
        ValueError: there is no prompt, another number of prompts, or one that is empty or no string.
    """
    if prompts is None:
        raise ValueError(f"{name} compares each image with a prompt, but no prompt was given.")
    per_image = [prompts] * batch if isinstance(prompts, str) else list(prompts)
    if not all(isinstance(prompt, str) for prompt in per_image):
        raise ValueError(f"{name} needs prompts that are strings; got {[type(p).__name__ for p in per_image]}.")
    if len(per_image) != batch:
        raise ValueError(f"{name} got {len(per_image)} prompts for {batch} images; give one prompt, or one per image.")
    if not all(prompt.strip() for prompt in per_image):
        raise ValueError(f"{name} compares each image with a prompt, but a prompt is empty.")
    return per_image
