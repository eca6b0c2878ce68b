"""Keeping optimized noise white: the GPER projection and the published penalties, on torch alone."""

from .preconditioner import Preconditioner, Unconstrained, WhiteGaussianProjector
from .spectrum import compact_spectrum, from_compact_spectrum
from .white_noise import block_norm_deviations, draw_white_gaussian, is_white_gaussian, project_white_gaussian
from .whiteness import Whiteness, measure_whiteness

__all__ = [
    "Preconditioner",
    "Unconstrained",
    "WhiteGaussianProjector",
    "Whiteness",
    "block_norm_deviations",
    "compact_spectrum",
    "draw_white_gaussian",
    "from_compact_spectrum",
    "is_white_gaussian",
    "measure_whiteness",
    "project_white_gaussian",
]
