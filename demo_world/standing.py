"""What stands on the painter's ground: trees and houses, with tiers, tiles and window bars where they can be seen."""

import math

import torch

from . import palette
from .canvas import Canvas, blend, present
from .scene import CELL, HOUSE_FOOT, TREE_FOOT, Scene

TIER, TILE, PLANK = 2.8, 1.5, 1.25  # height of one, in units
LINE = 0.07  # how much tiles and planks vary in brightness at scale 4


def _lines(canvas: Canvas, up: torch.Tensor, height: float) -> torch.Tensor | float:
    """Brightness of rows of tiles or planks at a height above the foot; at scale 1 they are not to be seen."""
    if canvas.scale == 1:
        return 1.0
    strength = LINE * canvas.scale / 4
    return (1 - strength - strength * torch.cos(2 * math.pi / height * up))[:, None]


def draw_trees(canvas: Canvas, scene: Scene) -> None:
    for column in range(8):
        score, dx, dy, height = (value[:, column, None, None] for value in scene.trees.unbind(1))
        x = canvas.x - (column * CELL + CELL / 2 + 1.5 * dx)
        base = TREE_FOOT + 1.5 * dy
        up = base - canvas.y
        height = 11 + 2 * height
        width, tree = 0.42 * (height - up), canvas.colour(palette.TREE)
        if canvas.scale > 1:
            tier = ((height - up) / TIER) % 1  # jumps from 1 to 0 under each tier, not anti-aliased
            width = width + 1.1 * (tier - 0.5) * ((height - up) / 2).clamp(0, 1)
            tree = tree * (1.25 - 0.5 * tier)[:, None]
        crown = canvas.inside(width - x.abs()) * canvas.inside(up - 2)
        trunk = canvas.inside(0.9 - x.abs()) * canvas.inside(up) * canvas.inside(2 - up)
        alpha = (crown + trunk).clamp(max=1) * present(score, 0.25)
        canvas.lay(tree, alpha, detail=0.8)
        snow = canvas.winter * canvas.inside(up - 0.72 * height)
        canvas.lay(canvas.colour(palette.GROUND), snow * alpha, detail=0.8)


def draw_houses(canvas: Canvas, scene: Scene) -> None:
    shade = canvas.colour(tuple((s, s, s) for s in palette.SHADE))
    glow = canvas.like.new_tensor(palette.GLOW)[canvas.prompt, None, None]
    dark, bright, door = (canvas.plain(colour) for colour in (palette.DARK, palette.LIT, palette.DOOR))
    inside = canvas.inside
    for column in range(4):
        score, dx, dy = (scene.houses[:, k, column, None, None] for k in range(3))
        wall, roof, window = (scene.houses[:, k, column] for k in range(3, 6))
        x, up = canvas.x - (16 * column + 8 + 1.5 * dx), HOUSE_FOOT + 1.2 * dy - canvas.y
        there = present(score, 0.0)
        lit = present(window, 0.0)[:, None, None]
        light = glow * lit * torch.exp(-(x**2 + (up - 5) ** 2) / 60) * there
        canvas.image = canvas.image + light[:, None] * (bright - canvas.image)
        planks = blend(palette.WALLS, wall) * shade * _lines(canvas, up, PLANK)
        canvas.lay(planks, inside(5 - x.abs()) * inside(up) * inside(7.5 - up) * there, 1)
        tiles = blend(palette.ROOFS, roof) * shade
        tiles = tiles + 0.6 * canvas.winter[:, None] * (canvas.colour(palette.GROUND) - tiles)
        tiles = tiles * _lines(canvas, up, TILE)
        canvas.lay(tiles, inside((13.5 - up) * 1.15 - x.abs()) * inside(up - 7.5) * there, 1)
        canvas.lay(door * shade, inside(1.2 - (x - 2.5).abs()) * inside(up) * inside(4.5 - up) * there, 1)
        pane = inside(1.7 - (x + 2).abs()) * inside(1.7 - (up - 4.5).abs()) * there
        canvas.lay(dark + lit[:, None] * (bright - dark), pane, 1)
        if canvas.scale > 1:
            bars = torch.maximum(inside(0.18 - (x + 2).abs()), inside(0.18 - (up - 4.5).abs()))
            canvas.lay(door * shade, bars * pane, 1)
