"""Scoring pictures one by one, and the ranking as text."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ...reward_models import RewardMix
from .reward_handle import RewardHandle


def score_images_one_by_one(
    reward: RewardHandle, pictures: Iterable[Tensor], prompts: str | Sequence[str] | None
) -> dict[str, Tensor]:
    """Scores (B,) on the CPU by the name of the reward: the total first, then the parts of a mix.

    pictures: (3, H, W) each, of any size. prompts: one for all, or one for each. The total of a mix with equal pull
    counts each score in units of its spread among these pictures, from its mean.
    One picture at a time bounds the memory.
    """
    import comfy.model_management

    comfy.model_management.load_models_gpu(reward.patchers)
    rows = []
    for i, picture in enumerate(pictures):
        comfy.model_management.throw_exception_if_processing_interrupted()
        text = prompts if prompts is None or isinstance(prompts, str) else prompts[i]
        picture = picture[None].to(reward.patchers[0].load_device if reward.patchers else picture.device)
        if isinstance(reward.model, RewardMix):
            total, parts = reward.model.forward_with_parts(picture, text)
        else:
            total, parts = reward.model(picture, text), {}
        rows.append({reward.model.name: total, **parts})
    columns = {name: torch.cat([row[name] for row in rows]).float().cpu() for name in rows[0]}
    if isinstance(reward.model, RewardMix) and reward.model.needs_spreads:
        parts = {name: columns[name] for name in reward.model.names}
        spreads = reward.model.spreads({name: scores[:, None] for name, scores in parts.items()})
        columns[reward.model.name] = reward.model.value(parts, spreads)
    return columns


def ranking(scores: Tensor) -> Tensor:
    """Indices (B,) of the scores (B,), best first, equal ones in the given order; what is not finite comes last."""
    return torch.where(scores.isfinite(), scores, -math.inf).argsort(descending=True, stable=True)


def score_table(order: Tensor, columns: dict[str, Tensor], names: Sequence[str] = ()) -> str:
    """The ranking in lines of text. order: indices (B,), best first. names: what each row ends with."""
    width = max(12, *(len(name) + 2 for name in columns))
    lines = ["rank  picture" + "".join(f"{name:>{width}}" for name in columns)]
    for rank, i in enumerate(order.tolist(), 1):
        row = f"{rank:<4}  {i + 1:<7}" + "".join(f"{_number(scores[i]):>{width}}" for scores in columns.values())
        lines.append(f"{row}  {names[i]}".rstrip() if names else row)
    return "\n".join(lines)


def _number(score: Tensor) -> str:
    return f"{score:.4f}" if score.isfinite() else "not finite"
