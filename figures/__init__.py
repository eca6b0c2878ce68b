"""Plots of runs and of noise, on numpy and Pillow alone."""

from .ascent_sheet import draw_ascent_sheet
from .curves import draw_curves
from .noise_statistics import draw_noise_statistics

__all__ = ["draw_ascent_sheet", "draw_curves", "draw_noise_statistics"]
