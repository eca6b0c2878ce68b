"""Making a foreign model differentiable: what is kept, recomputed, rescaled or replaced on the way (torch only)."""

from .frozen_convolution import frozen_convolutions
from .gradient_scaling import with_scaled_gradient
from .recompute import recompute
from .replaced import replaced
from .saved_tensors import saved_before_mutation

__all__ = [
    "frozen_convolutions",
    "recompute",
    "replaced",
    "saved_before_mutation",
    "with_scaled_gradient",
]
