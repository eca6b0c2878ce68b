"""The pack's workflows and blueprints as nodes in columns; tools.build_workflows makes the saved graphs from them."""

from .best_of_seeds import BEST_OF_SEEDS
from .better_picture import BETTER_PICTURE, BETTER_PICTURE_WORKFLOW
from .compare_methods import COMPARE_METHODS
from .demo import DEMO
from .flux2_klein import FLUX2_KLEIN
from .flux_schnell import FLUX_SCHNELL
from .image_to_image import IMAGE_TO_IMAGE
from .improve_region import IMPROVE_REGION
from .keep_and_vary import KEEP_AND_VARY
from .learn_taste import LEARN_TASTE
from .mixed_rewards import MIXED_REWARDS
from .noisetilt_demo import NOISETILT_DEMO
from .noisetilt_flux_dev import NOISETILT_FLUX_DEV
from .noisetilt_sdxl import NOISETILT_SDXL
from .parts import Blueprint, Workflow
from .ranked_seeds import RANKED_SEEDS
from .sdxl_turbo import SDXL_TURBO
from .taste_board import TASTE_BOARD

BLUEPRINTS: dict[str, Blueprint] = {BETTER_PICTURE.name: BETTER_PICTURE}

WORKFLOWS: dict[str, Workflow] = {
    "better_picture": BETTER_PICTURE_WORKFLOW,
    "demo": DEMO,
    "flux_schnell_noise_optimizer": FLUX_SCHNELL,
    "flux_schnell_mixed_rewards": MIXED_REWARDS,
    "flux2_klein": FLUX2_KLEIN,
    "sdxl_turbo": SDXL_TURBO,
    "image_to_image": IMAGE_TO_IMAGE,
    "compare_methods": COMPARE_METHODS,
    "best_of_seeds": BEST_OF_SEEDS,
    "keep_and_vary": KEEP_AND_VARY,
    "improve_region": IMPROVE_REGION,
    "learn_taste": LEARN_TASTE,
    "taste_board": TASTE_BOARD,
    "ranked_seeds": RANKED_SEEDS,
    "noisetilt_demo": NOISETILT_DEMO,
    "noisetilt_flux_dev": NOISETILT_FLUX_DEV,
    "noisetilt_sdxl": NOISETILT_SDXL,
}

__all__ = ["BLUEPRINTS", "WORKFLOWS", "Blueprint", "Workflow"]
