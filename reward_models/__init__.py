"""Differentiable image rewards: tensors and checkpoints only, no ComfyUI."""

from .base import RewardModel
from .loading import KINDS, inspect_reward_file, load_reward
from .recognise import RewardFileInfo

__all__ = ["KINDS", "RewardFileInfo", "RewardModel", "inspect_reward_file", "load_reward"]
