"""Scoring pictures one by one, and the ranking as text."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...reward_models import RewardMix, check_pictures, reward_of_picture
from ...runs.scores_in_words import number, seeds_cell
from ...runs.seed_equivalent import seed_equivalent
from .reward_handle import RewardHandle

SEEDS_WIDTH = 24  # of "40 (12 to more than 160)"


def score_images_one_by_one(
    reward: RewardHandle,
    images: Sequence[Tensor],
    prompts: str | Sequence[str] | None,
    places: Sequence[tuple[int, int]] | None = None,
    units: slice = slice(None),
) -> dict[str, Tensor]:
    """One image at a time, which bounds the memory.

    The total of a mix with equal pull counts each score in units of its spread among images, from their mean.

    Args:
        reward: loaded here.
        images: (3, H, W) each, in [0, 1], of any size.
        prompts: one for all, or one for each.
        places: of each image (its place in its batch, the size of that batch), for regions with a mask for each
            picture of a batch; None: the images are one batch.
        units: among which of the images the spreads are taken.

    Returns:
        scores (B,) float32 on the CPU by the name of the reward: the total first, then the parts of a mix.

    Raises:
        ValueError: a region does not fit the images; nothing was loaded for it.
    """
    import comfy.model_management

    places = [(i, len(images)) for i in range(len(images))] if places is None else places
    rewards = [reward_of_picture(reward.model, *place) for place in places]
    for image, of_picture in zip(images, rewards, strict=True):
        check_pictures(of_picture, 1, *image.shape[-2:])
    comfy.model_management.load_models_gpu(reward.patchers)
    rows = []
    for i, image in enumerate(images):
        comfy.model_management.throw_exception_if_processing_interrupted()
        text = prompts if prompts is None or isinstance(prompts, str) else prompts[i]
        image = image[None].to(reward.patchers[0].load_device if reward.patchers else image.device)
        of_picture = rewards[i]
        if isinstance(of_picture, RewardMix):
            total, parts = of_picture.forward_with_parts(image, text)
        else:
            total, parts = of_picture(image, text), {}
        rows.append({reward.model.name: total, **parts})
    columns = {name: torch.cat([row[name] for row in rows]).float().cpu() for name in rows[0]}
    if isinstance(reward.model, RewardMix) and reward.model.needs_spreads:
        parts = {name: columns[name] for name in reward.model.names}
        spreads = reward.model.spreads({name: scores[units, None] for name, scores in parts.items()})
        columns[reward.model.name] = reward.model.value(parts, spreads)
    return columns


def ranking(scores: Tensor) -> Tensor:
    """Indices (B,) of the scores (B,), best first, equal ones in the given order; what is not finite comes last."""
    return torch.where(scores.isfinite(), scores, -math.inf).argsort(descending=True, stable=True)


def score_table(
    order: Tensor,
    columns: dict[str, Tensor],
    names: Sequence[str] = (),
    plain: dict[str, Tensor] | None = None,
) -> str:
    """The ranking in lines of text.

    Args:
        order: indices (B,), best first.
        columns: scores (B,) by name.
        names: what each row ends with; of all B, or none.
        plain: scores (n,) of plain seeds by name; every score is then told as a number of seeds as well.
    """
    width = max(12, *(len(name) + 2 for name in columns))
    in_seeds = {
        name: [f"  {seeds_cell(seed_equivalent(score, plain[name])):<{SEEDS_WIDTH}}" for score in scores.tolist()]
        for name, scores in columns.items()
        if plain
    }
    heading = f"  {'best of seeds':<{SEEDS_WIDTH}}" if plain else ""
    lines = ["rank  picture" + "".join(f"{name:>{width}}{heading}" for name in columns)]
    for rank, i in enumerate(order.tolist(), 1):
        cells = (f"{number(of[i]):>{width}}{in_seeds[name][i] if plain else ''}" for name, of in columns.items())
        lines.append(f"{rank:<4}  {i + 1:<7}{''.join(cells)}  {names[i] if names else ''}")
    return "\n".join(line.rstrip() for line in lines)
