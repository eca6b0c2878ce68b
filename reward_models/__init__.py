"""Differentiable image rewards: tensors and checkpoints only, no ComfyUI."""

from .base import RewardModel
from .colour_palette import ColourPalette
from .image_similarity import ImageSimilarity
from .loading import KINDS, inspect_reward_file, load_image_encoder, load_reward, load_whole_clip
from .mix import MODES, RewardMix
from .picture_statistics import STATISTICS, PictureStatistic
from .quality_words import QualityWords, check_word_pairs
from .recognise import RewardFileInfo
from .region import RegionReward, check_pictures, in_region, reward_of_picture
from .spread import Spread

__all__ = [
    "KINDS",
    "MODES",
    "STATISTICS",
    "ColourPalette",
    "ImageSimilarity",
    "PictureStatistic",
    "QualityWords",
    "RegionReward",
    "RewardFileInfo",
    "RewardMix",
    "RewardModel",
    "Spread",
    "check_pictures",
    "check_word_pairs",
    "in_region",
    "inspect_reward_file",
    "load_image_encoder",
    "load_reward",
    "load_whole_clip",
    "reward_of_picture",
]
