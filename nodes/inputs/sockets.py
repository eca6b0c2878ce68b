"""Sockets of this pack."""

from comfy_api.latest import io

RewardModel = io.Custom("REWARD_MODEL")
Preconditioner = io.Custom("NOISE_PRECONDITIONER")
NoiseMethod = io.Custom("NOISE_METHOD")

CATEGORY = "noise optimizer"
