"""Better noise for a generator: ascent, searches and tilted steps over plain callables (torch only)."""

from .ascent import Preconditioner, ascend
from .best_of_seeds import best_of_seeds
from .evaluations import Step
from .local_search import local_search
from .noise_tilt import NoiseTilt
from .record import Incident, RunRecord
from .seeds_first import SeedsFirst
from .spectral_evolution import spectral_evolution_search
from .stopping import Stopping
from .tilted_noise import SamplingRecord, TiltedNoise

__all__ = [
    "RunRecord",
    "Incident",
    "NoiseTilt",
    "Preconditioner",
    "SamplingRecord",
    "SeedsFirst",
    "Step",
    "Stopping",
    "TiltedNoise",
    "ascend",
    "best_of_seeds",
    "local_search",
    "spectral_evolution_search",
]
