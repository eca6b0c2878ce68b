"""A reward that looks at one part of the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .base import RewardModel, check_images, check_prompts
from .mask_boxes import LEAST_VALUE, Box, bounding_boxes, box_in_picture
from .mix import RewardMix
from .preprocess import resize, triangle

LEAST_SIDE = 8  # of a crop for rewards that name no smallest picture, in pixels


@dataclass(frozen=True)
class _View:
    """A crop, and the share (1, 1, height, width) of the gradient that each of its pixels gets."""

    box: Box
    share: Tensor


class RegionReward(RewardModel):
    """The score of a crop: the mask's bounding box with a margin, clipped to the picture.

    Nothing in the crop is blanked, so the reward sees the masked part in its surroundings. The gradient is multiplied
    by the mask: what lies around the masked part is seen, but not changed for the score's sake. Pixels outside the
    crop have the gradient 0. The crop keeps its shape; rewards resize by themselves.

    The mask is stretched to the picture as ComfyUI stretches masks, bilinearly, but antialiased where it shrinks, so
    that a thin stroke does not vanish. Values below 0.1 count as 0. Boxes and shares are worked out once for each
    size of picture.

    Args:
        reward: called as reward(images, prompts) -> (B,), with the attributes of `RewardModel`; for a mix see
            `in_region`.
        mask: (h, w), (M, h, w) or (M, 1, h, w), one for all pictures or one for each picture of a batch; 0 outside,
            1 inside.
        margin: context around the mask on every side, as a share of the box's height and width; 0 or more.
        label: of the region; stands behind the reward's name.

    Raises:
        ValueError: the mask is empty or no mask, the margin is out of range, or the reward looks at a region or is a
            mix.
    """

    def __init__(self, reward: nn.Module, mask: Tensor, margin: float = 0.25, label: str = "region"):
        super().__init__()
        if isinstance(reward, RegionReward):
            raise ValueError(
                f"{reward.name} already looks at a region of its own: give each Reward Region a reward of the whole "
                "picture, and combine the regions with Reward Mix."
            )
        if isinstance(reward, RewardMix):
            raise ValueError("A mix has a region for each of its rewards: see in_region.")
        if not (margin >= 0 and math.isfinite(margin)):
            raise ValueError(f"margin is {margin}: set it to 0 or more; 0.25 adds a quarter on every side.")
        self.reward = reward
        self.margin = margin
        self.label = " ".join(label.split()) or "region"
        self.name = f"{reward.name} ({self.label})"
        self.needs_prompt = reward.needs_prompt
        self.typical_range = reward.typical_range
        self.min_side = getattr(reward, "min_side", LEAST_SIDE)
        self._masks = _checked_masks(mask)
        self._boxes = bounding_boxes(self._masks)
        self._views: dict[tuple, list[_View]] = {}

    def forward(self, images: Tensor, prompts: str | Sequence[str] | None = None) -> Tensor:
        """(B,) scores of the crops; see `RewardModel.forward`, and the class for the gradient.

        Raises:
            ValueError: as `RewardModel.forward` and `check_pictures`.
        """
        check_images(images, 1)
        self.check_pictures(len(images), *images.shape[-2:])
        views = self._views_of(images)
        if len(views) == 1:
            return self.reward(_seen(images, views[0]), prompts)
        texts = check_prompts(prompts, len(images), self.name) if self.needs_prompt else [None] * len(images)
        return torch.cat(
            [
                self.reward(_seen(images[i : i + 1], view), text)
                for i, (view, text) in enumerate(zip(views, texts, strict=True))
            ]
        )

    def boxes(self, height: int, width: int) -> list[Box]:
        """The crop of each mask in a picture of height x width pixels."""
        return [box_in_picture(box, self._masks.shape[-2:], (height, width), self.margin) for box in self._boxes]

    def check_pictures(self, batch: int, height: int, width: int) -> None:
        """Raise ValueError unless a batch of pictures of height x width pixels has crops that can be scored."""
        count = len(self._boxes)
        if count not in (1, batch):
            raise ValueError(
                f"{self.name} has {count} masks, but there {'is 1 picture' if batch == 1 else f'are {batch} pictures'}"
                " at a time: give Reward Region one mask for all pictures, or one for each."
            )
        for box in self.boxes(height, width):
            if min(box.height, box.width) < self.min_side:
                raise ValueError(
                    f"The region of {self.name} is only {box.width} x {box.height} pixels of a picture of {width} x "
                    f"{height}, and the reward needs at least {self.min_side} x {self.min_side}: paint a larger mask, "
                    "raise margin, or make the picture larger."
                )

    def of_picture(self, index: int, batch: int) -> RegionReward:
        """The same reward for one picture of a batch, with that picture's mask.

        Raises:
            ValueError: there is neither one mask nor one for each picture of the batch.
        """
        if len(self._boxes) == 1:
            return self
        if len(self._boxes) != batch:
            self.check_pictures(batch, *self._masks.shape[-2:])
        return RegionReward(self.reward, self._masks[index], self.margin, self.label)

    def _views_of(self, images: Tensor) -> list[_View]:
        height, width = images.shape[-2:]
        key = (height, width, images.device, images.dtype)
        if key not in self._views:
            with torch.inference_mode(False), torch.no_grad():  # a later backward saves the shares
                shares = resize(self._masks[:, None], height, width, triangle).clamp(0, 1).to(images)
                self._views[key] = [
                    _View(box, box.of(share[None]).clone())
                    for box, share in zip(self.boxes(height, width), shares, strict=True)
                ]
        return self._views[key]


def in_region(reward: nn.Module, mask: Tensor, margin: float = 0.25, label: str = "region") -> nn.Module:
    """The reward in a region; of a mix, the same mix of its rewards in that region.

    Args, Raises: as for `RegionReward`.
    """
    if isinstance(reward, RewardMix):
        members = [in_region(member, mask, margin, label) for member in reward.rewards]
        return RewardMix(members, reward.weights, reward.mode)
    return RegionReward(reward, mask, margin, label)


def check_pictures(reward: nn.Module, batch: int, height: int, width: int) -> None:
    """Raise ValueError if a region of the reward, or of a reward of the mix, does not fit such pictures.

    Args:
        batch: pictures that are scored at a time.
        height, width: pixels.
    """
    for member in _members(reward):
        if isinstance(member, RegionReward):
            member.check_pictures(batch, height, width)


def reward_of_picture(reward: nn.Module, index: int, batch: int) -> nn.Module:
    """The reward for one picture of a batch: regions with a mask for each picture take that of this one.

    Raises:
        ValueError: a region has neither one mask nor one for each picture of the batch.
    """
    if isinstance(reward, RegionReward):
        return reward.of_picture(index, batch)
    if isinstance(reward, RewardMix) and any(isinstance(member, RegionReward) for member in reward.rewards):
        members = [reward_of_picture(member, index, batch) for member in reward.rewards]
        return RewardMix(members, reward.weights, reward.mode)
    return reward


def _members(reward: nn.Module) -> Sequence[nn.Module]:
    return reward.rewards if isinstance(reward, RewardMix) else [reward]


def _checked_masks(mask: Tensor) -> Tensor:
    """(M, h, w) float32 in [0, 1] on the CPU, an ordinary tensor; what is below `LEAST_VALUE` is 0."""
    if mask.ndim < 2 or mask.numel() == 0:
        raise ValueError(
            f"The mask has the shape {tuple(mask.shape)}, in which there are no pixels: check the node that makes it."
        )
    with torch.inference_mode(False), torch.no_grad():
        masks = mask.detach().clone().to("cpu", torch.float32)
        masks = masks.reshape(-1, *masks.shape[-2:])  # as the stock nodes do
        if not torch.isfinite(masks).all():
            raise ValueError("The mask holds values that are not finite: check the node that makes it.")
        return masks.where(masks >= LEAST_VALUE, 0.0).clamp(max=1)


def _seen(images: Tensor, view: _View) -> Tensor:
    crop = view.box.of(images)
    if not (torch.is_grad_enabled() and crop.requires_grad):
        return crop
    still = crop.detach()
    return still + view.share * (crop - still)  # the crop itself, bit for bit
