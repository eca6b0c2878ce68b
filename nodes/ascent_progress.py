"""What the user sees while an ascent runs: progress bar, best picture so far, one line of text on the node."""

import math

import comfy.cli_args
import comfy.model_management
import comfy.utils
import torch
from PIL import Image
from server import PromptServer

from ..optimization import Step


class AscentProgress:
    """A callback for ``ascend``; raises ComfyUI's interrupt when the user cancels.

    preview_every: steps between pictures, 0 for none. node_id: where the text goes, None when headless.
    """

    def __init__(self, reward_name: str, steps: int, preview_every: int, node_id: str | None):
        self.reward_name = reward_name
        self.bar = comfy.utils.ProgressBar(steps, node_id=node_id)
        self.preview_every = preview_every
        self.node_id = node_id
        self.best_images: torch.Tensor | None = None

    def __call__(self, step: Step) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        preview = None
        if self.preview_every:
            self._remember_best(step)
            if step.index % self.preview_every == 0:
                preview = ("JPEG", _grid(self.best_images), comfy.cli_args.args.preview_size)
        self.bar.update_absolute(step.index, preview=preview)
        if self.node_id is not None:
            start, best = step.record.rewards[0].mean(), step.record.best_reward.mean()
            seconds = sum(step.record.seconds) / len(step.record.seconds)
            PromptServer.instance.send_progress_text(
                f"{self.reward_name}: {best:.4g} (start {start:.4g}), step {step.index}/{self.bar.total}, "
                f"{seconds:.2f} s per step",
                self.node_id,
            )

    def _remember_best(self, step: Step) -> None:
        if step.index == 0:
            self.best_images = step.images
        else:
            improved = step.improved.to(step.images.device).view(-1, 1, 1, 1)
            self.best_images = torch.where(improved, step.images, self.best_images)


def _grid(images: torch.Tensor) -> Image.Image:
    """Pictures (B, 3, H, W) in [0, 1] in a square of rows, the last one filled up with black."""
    columns = math.ceil(math.sqrt(images.shape[0]))
    rows = [torch.cat(list(images[i : i + columns]), dim=2) for i in range(0, images.shape[0], columns)]
    width = rows[0].shape[2]
    rows = [torch.nn.functional.pad(row, (0, width - row.shape[2])) for row in rows]
    pixels = torch.cat(rows, dim=1).clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels.movedim(0, -1).contiguous().cpu().numpy())
