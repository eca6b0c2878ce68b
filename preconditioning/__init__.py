"""Keeping optimized noise white: projection, intervals and published penalties, on torch, and scipy for quantiles."""

from .haar_band import HaarBand
from .norm_penalty import NormPenalty
from .order_statistic_whitening import OrderStatisticWhitener, whiten_order_statistics
from .preconditioner import Unconstrained, WhiteGaussianProjector
from .recipes import RECIPES, Recipe
from .resize import resize_white_noise
from .spectrum import compact_spectrum, from_compact_spectrum
from .spectrum_penalty import SpectrumPenalty
from .subset_penalty import SubsetPenalty
from .variations import vary_white_gaussian
from .white_noise import block_norm_deviations, draw_white_gaussian, project_white_gaussian
from .whiteness import Whiteness, measure_whiteness
from .whiteness_verdict import describe_whiteness
from .whitenings import WHITENINGS

__all__ = [
    "RECIPES",
    "WHITENINGS",
    "HaarBand",
    "NormPenalty",
    "OrderStatisticWhitener",
    "Recipe",
    "SpectrumPenalty",
    "SubsetPenalty",
    "Unconstrained",
    "WhiteGaussianProjector",
    "Whiteness",
    "block_norm_deviations",
    "compact_spectrum",
    "describe_whiteness",
    "draw_white_gaussian",
    "from_compact_spectrum",
    "measure_whiteness",
    "project_white_gaussian",
    "resize_white_noise",
    "vary_white_gaussian",
    "whiten_order_statistics",
]
