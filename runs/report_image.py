"""The Noise Optimizer's report as a picture."""

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..figures import draw_run_sheet
from ..optimization import RunRecord
from .kept_images import KeptImages
from .run_report import finite_mean, headline, number, summary


def report_image(
    record: RunRecord,
    reward: nn.Module,
    parts: dict[str, list[Tensor]],
    pictures: KeptImages,
    about_model: str,
    typical_range: tuple[float, float],
) -> Tensor:
    """IMAGE (1, H, W, 3): the words of the report, the curves, and each picture at the start and at best.

    parts: scores (B,) per evaluation of each reward of a mix.
    """
    scores = {reward.name: record.rewards} | parts
    curves = {name: [_or_gap(finite_mean(of_step)) for of_step in values] for name, values in scores.items()}
    captions = [
        (f"start: {number(start)}", f"best: {number(best)}, step {int(step)}")
        for start, best, step in zip(record.rewards[0], record.best_reward, record.best_step, strict=True)
    ]
    sheet = draw_run_sheet(
        headline(record, reward),
        summary(record, about_model, typical_range),
        {name: values for name, values in curves.items() if any(map(math.isfinite, values))},
        [(_picture(start), _picture(best)) for start, best in zip(pictures.start, pictures.best, strict=True)],
        captions,
    )
    return torch.from_numpy(np.asarray(sheet, dtype=np.float32) / 255)[None]


def _or_gap(value: float | None) -> float:
    return math.nan if value is None else value


def _picture(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels.movedim(0, -1).contiguous().numpy())
