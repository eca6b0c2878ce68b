"""What the demo computes and shows of one set of pictures."""

from dataclasses import dataclass

import torch
from torch import Tensor

from demo_world import DemoWorld


@dataclass
class Run:
    """One row of the demo's picture.

    pictures: (B, 3, 64k, 64k) in [0, 1]. noise: (B, 16, 8k, 8k). rewards: (evaluations, B), one evaluation for the
    start. held_out, realism_error: (B,), of the pictures. seconds: wall-clock time of the ascent, in ComfyUI of the
    whole workflow.
    """

    name: str
    pictures: Tensor
    noise: Tensor
    rewards: Tensor
    held_out: Tensor
    realism_error: Tensor
    seconds: float

    @classmethod
    @torch.no_grad()
    def judged(
        cls, name: str, world: DemoWorld, pictures: Tensor, noise: Tensor, rewards: Tensor, seconds: float
    ) -> "Run":
        """A run whose pictures the held-out reward and the judge of realism have seen."""
        held_out, realism_error = world.held_out_reward(pictures), world.realism_error(pictures)
        return cls(name, pictures, noise, rewards, held_out, realism_error, seconds)

    def numbers(self) -> dict[str, float]:
        """Means over the batch."""
        return {
            "reward": self.rewards.max(0).values.mean().item(),
            "held-out reward": self.held_out.mean().item(),
            "realism error": self.realism_error.mean().item(),
            "norm/sqrt(N)": (self.noise.flatten(1).norm(dim=1) / self.noise[0].numel() ** 0.5).mean().item(),
            "seconds": self.seconds,
        }


START, WITHOUT, WITH = "start", "without projector", "with projector"
