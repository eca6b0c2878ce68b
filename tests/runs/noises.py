"""A noise, and what its file tells about it."""

import torch
from gper_pack.runs.noise_history import NoiseHistory

HISTORY = NoiseHistory(
    model="Flux",
    reward="beauty + 0.5 crispness",
    reward_prompt='a "fox" – with ünïcode\nand a line',
    scores={"beauty + 0.5 crispness": [1.25, None], "beauty": [1.0, 2.0]},
    best_steps=[3, 0],
    steps=4,
    method="WhiteGaussianProjector",
    step_size=0.02,
    stop_reason="all 4 steps done",
    variation="distance 0.3, seed 5",
)


def noise(shape=(2, 16, 8, 8), dtype=torch.float32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
