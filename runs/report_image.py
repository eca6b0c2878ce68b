"""The Noise Optimizer's report as a picture."""

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..figures import draw_run_sheet
from .run_report import headline, summary
from .run_result import RunResult
from .scores_in_words import number


def report_image(result: RunResult) -> Tensor:
    """IMAGE (1, H, W, 3): the words of the report, the curves, and each picture at the start and at best."""
    record, images = result.record, result.images
    curves = {name: [_or_gap(value) for value in values] for name, values in result.curves.items()}
    captions = [
        (f"start: {number(start)}", f"best: {number(best)}, step {int(step)}")
        for start, best, step in zip(record.rewards[0], record.best_reward, record.best_update, strict=True)
    ]
    sheet = draw_run_sheet(
        headline(result),
        summary(result),
        {name: values for name, values in curves.items() if any(map(math.isfinite, values))},
        [(_picture(start), _picture(best)) for start, best in zip(images.start, images.best, strict=True)],
        captions,
    )
    return torch.from_numpy(np.asarray(sheet, dtype=np.float32) / 255)[None]


def _or_gap(value: float | None) -> float:
    return math.nan if value is None else value


def _picture(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels.movedim(0, -1).contiguous().numpy())
