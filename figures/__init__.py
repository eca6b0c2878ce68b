"""Plots of runs and of noise, on numpy and Pillow alone."""

from .curves import draw_curves
from .noise_statistics import draw_noise_statistics
from .run_sheet import draw_run_sheet
from .whiteness_verdict import describe_whiteness

__all__ = ["describe_whiteness", "draw_run_sheet", "draw_curves", "draw_noise_statistics"]
