"""The pack's nodes; the only folder that imports comfy."""

from comfy_api.latest import ComfyExtension, io

from .demo_world import DemoWorldNode
from .noise_optimizer import NoiseOptimizer
from .noise_statistics import NoiseStatistics
from .picture_statistics import PictureStatisticsNode
from .reference_rewards import ReferencePalette, ReferenceSimilarity
from .reward_files import register_folder
from .reward_mix import RewardMixNode
from .reward_model_loader import RewardModelLoader
from .score_images import ScoreImages
from .white_gaussian_projector import WhiteGaussianProjectorNode

NODES: list[type[io.ComfyNode]] = [
    RewardModelLoader,
    PictureStatisticsNode,
    ReferencePalette,
    ReferenceSimilarity,
    RewardMixNode,
    ScoreImages,
    WhiteGaussianProjectorNode,
    NoiseOptimizer,
    NoiseStatistics,
    DemoWorldNode,
]


class NoiseOptimizerExtension(ComfyExtension):
    async def on_load(self) -> None:
        register_folder()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
