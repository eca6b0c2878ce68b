"""Keeping optimized noise white: the GPER projection and the published penalties, on torch alone."""

from .norm_penalty import NormPenalty
from .preconditioner import Preconditioner, Unconstrained, WhiteGaussianProjector
from .spectrum import compact_spectrum, from_compact_spectrum
from .spectrum_penalty import SpectrumPenalty
from .subset_penalty import SubsetPenalty
from .variations import vary_white_gaussian
from .white_noise import block_norm_deviations, draw_white_gaussian, is_white_gaussian, project_white_gaussian
from .whiteness import Whiteness, measure_whiteness

# Every preconditioner by the name of its paper; all can be built without arguments.
PRECONDITIONERS: dict[str, type[Preconditioner]] = {
    "GPER": WhiteGaussianProjector,
    "MPGR": SpectrumPenalty,
    "PRNO": SubsetPenalty,
    "ReNO": NormPenalty,
    "none": Unconstrained,
}

__all__ = [
    "PRECONDITIONERS",
    "NormPenalty",
    "Preconditioner",
    "SpectrumPenalty",
    "SubsetPenalty",
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
    "vary_white_gaussian",
]
