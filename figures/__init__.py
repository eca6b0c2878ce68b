"""Plots of runs and of noise, on numpy and Pillow alone."""

from .curves import draw_curves
from .noise_statistics import draw_noise_statistics
from .run_sheet import draw_run_sheet

__all__ = ["draw_curves", "draw_noise_statistics", "draw_run_sheet"]
