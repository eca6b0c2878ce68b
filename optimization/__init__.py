"""Gradient ascent on the noise of a generator, over plain callables (torch only)."""

from .ascent import Step, ascend
from .recompute import recompute
from .record import AscentRecord, Incident
from .stopping import Stopping

__all__ = ["AscentRecord", "Incident", "Step", "Stopping", "ascend", "recompute"]
