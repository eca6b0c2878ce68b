"""The pack's nodes; the only folder that imports comfy."""

from comfy_api.latest import ComfyExtension, io
from server import PromptServer

from .before_and_after import BeforeAndAfter
from .demo_world import DemoWorldNode
from .learn_taste import LearnTaste
from .live.routes import add_routes
from .load_noise import LoadNoise
from .noise_optimizer import NoiseOptimizer
from .noise_statistics import NoiseStatistics
from .noise_tilt_sampler import NoiseTiltSampler
from .noise_variations import NoiseVariations
from .noises.noise_files import register_folder as register_noises
from .optimization_method import OptimizationMethod
from .pick_images import PickImages
from .picture_statistics import PictureStatisticsNode
from .quality_words import QualityWordsNode
from .rank_results import RankResults
from .reference_rewards import ReferencePalette, ReferenceSimilarity
from .resize_noise import ResizeNoise
from .reward_mix import RewardMixNode
from .reward_model_loader import RewardModelLoader
from .reward_region import RewardRegion
from .rewards.reward_files import register_folder
from .run_lists import PromptList, SeedList
from .save_noise import SaveNoise
from .score_images import ScoreImages
from .white_gaussian_projector import WhiteGaussianProjectorNode

NODES: list[type[io.ComfyNode]] = [
    RewardModelLoader,
    PictureStatisticsNode,
    ReferencePalette,
    ReferenceSimilarity,
    QualityWordsNode,
    LearnTaste,
    RewardMixNode,
    RewardRegion,
    ScoreImages,
    WhiteGaussianProjectorNode,
    OptimizationMethod,
    NoiseOptimizer,
    NoiseTiltSampler,
    NoiseStatistics,
    SaveNoise,
    LoadNoise,
    NoiseVariations,
    ResizeNoise,
    PromptList,
    SeedList,
    RankResults,
    PickImages,
    BeforeAndAfter,
    DemoWorldNode,
]


class NoiseOptimizerExtension(ComfyExtension):
    async def on_load(self) -> None:
        register_folder()
        register_noises()
        if hasattr(PromptServer, "instance"):  # not where the nodes are used without a server
            add_routes(PromptServer.instance.routes)

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
