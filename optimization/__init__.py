"""Optimizing the noise of a generator: gradient ascent and gradient-free searches over plain callables (torch only)."""

from .ascent import Preconditioner, ascend
from .best_of_seeds import best_of_seeds
from .evaluations import Step
from .frozen_convolution import frozen_convolutions
from .gradient_scaling import with_scaled_gradient
from .local_search import local_search
from .recompute import recompute
from .record import AscentRecord, Incident
from .replaced import replaced
from .saved_tensors import saved_before_mutation
from .stopping import Stopping

__all__ = [
    "AscentRecord",
    "Incident",
    "Preconditioner",
    "Step",
    "Stopping",
    "ascend",
    "best_of_seeds",
    "frozen_convolutions",
    "local_search",
    "recompute",
    "replaced",
    "saved_before_mutation",
    "with_scaled_gradient",
]
