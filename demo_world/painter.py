"""Scene to picture: the painter that the networks imitate. Edges are anti-aliased over one pixel.

The exception: the lower rims of a tree's tiers in larger pictures, where the crown's width jumps.
"""

import torch
import torch.nn.functional as F

from . import palette
from .canvas import SIZE, Canvas, present
from .relief import CLOUD_DETAIL, cloud_density, cloud_detail, grass, hills, mountains, smooth_mountains, specks
from .scene import CELL, SKY_UNITS, Scene
from .standing import draw_houses, draw_trees


def _sky(canvas: Canvas, scene: Scene) -> None:
    height = (canvas.y / 48).clamp(max=1).expand(canvas.side, canvas.side)
    top, low = canvas.colour(palette.SKY_TOP), canvas.colour(palette.SKY_LOW)
    canvas.image = (top + (low - top) * height).expand_as(canvas.image)
    distance = torch.hypot(canvas.x - scene.sun[:, 0, None, None], canvas.y - scene.sun[:, 1, None, None])
    sun = canvas.colour(palette.SUN)
    canvas.image = canvas.image + 0.35 * torch.exp(-distance / 9)[:, None] * (sun - canvas.image)
    if scene.fine is not None:
        _specks(canvas, scene, 0.45, palette.SPARK, slice(0, SKY_UNITS))
    _sparks(canvas, scene)
    shadow = torch.hypot(canvas.x - scene.sun[:, 0, None, None] - 3, canvas.y - scene.sun[:, 1, None, None] + 2)
    disc = canvas.inside(6.5 - distance)
    canvas.lay(sun, disc * (1 - canvas.night * canvas.inside(5.5 - shadow)), detail=1)


def _sparks(canvas: Canvas, scene: Scene) -> None:
    """One per sky cell at most, inside the cell: four-pointed stars, birds, snowflakes."""
    rows, pixels = SKY_UNITS * canvas.scale, CELL * canvas.scale
    score, dx, dy = scene.sparks.repeat_interleave(pixels, 2).repeat_interleave(pixels, 3).unbind(1)
    across = (canvas.x % CELL) - CELL / 2 - dx * 1.5
    down = (canvas.y[:rows] % CELL) - CELL / 2 - dy * 1.5
    star = canvas.inside(2.2 - across.abs() - down.abs() - 0.8 * torch.minimum(across.abs(), down.abs()))
    flake = canvas.inside(1.5 - torch.hypot(across, down))
    bird = canvas.inside(0.8 - (down + 0.8 * across.abs() - 1).abs()) * canvas.inside(2.6 - across.abs())
    by_day = 1 - canvas.night - canvas.winter
    shape = canvas.night * star + canvas.winter * flake + by_day * bird
    threshold = 0.40 + 0.48 * by_day
    alpha = F.pad(shape * present(score, threshold), (0, 0, 0, canvas.side - rows))
    canvas.lay(canvas.colour(palette.SPARK), alpha, detail=1)


def _specks(canvas: Canvas, scene: Scene, radius: float, colours: tuple, units: slice) -> None:
    """Discs of at most this radius at the centres of latent pixels between two heights."""
    spacing = CELL / canvas.scale
    distance = torch.hypot(canvas.x % spacing - spacing / 2, canvas.y % spacing - spacing / 2)
    size = specks(scene).repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)
    alpha = canvas.inside(radius * size - distance) * (4 * size).clamp(max=1)
    alpha = alpha * ((canvas.y >= units.start) & (canvas.y < units.stop))
    canvas.lay(canvas.colour(colours), 0.9 * alpha, detail=1)


def _clouds(canvas: Canvas, scene: Scene) -> None:
    rows, shift = SKY_UNITS * canvas.scale, 2 * canvas.scale
    size = (rows, canvas.side)
    density = cloud_density(scene, size) + cloud_detail(scene, size)
    above = F.pad(density, (0, 0, shift, 0), mode="replicate")[:, :-shift]
    shade = 1 - 0.16 * torch.sigmoid(4 * (above - density))
    fade = ((SKY_UNITS - 2 - canvas.y[:rows]) / 6).clamp(0, 1)
    steepness = 3 * canvas.scale**0.5
    alpha = 0.95 * (0.5 + steepness * (density - 1.0)).clamp(0, 1) * fade
    alpha = F.pad(alpha, (0, 0, 0, canvas.side - rows))
    shade = F.pad(shade, (0, 0, 0, canvas.side - rows), value=1.0)
    canvas.lay(canvas.colour(palette.CLOUD) * shade[:, None], alpha, detail=0.3)


def _land(canvas: Canvas, scene: Scene) -> None:
    ridge = mountains(scene, canvas.side)
    slope = _slope(canvas, ridge)
    if scene.fine is not None:
        # What makes the ridge rough fades down the mountain, or it would be striped.
        smooth = _slope(canvas, smooth_mountains(scene, canvas.side))
        slope = smooth + (slope - smooth) * torch.exp(-(canvas.y - ridge).clamp_min(0) / 4)
    facing = torch.tanh((canvas.x - scene.sun[:, 0, None, None]) / 6)
    texture = _rock(canvas, scene)
    rock = canvas.colour(palette.MOUNTAIN) * (1 - 0.28 * torch.tanh(1.5 * slope) * facing + 0.07 * texture)[:, None]
    mass = canvas.inside(canvas.y - ridge)
    canvas.lay(rock, mass, detail=0.2)
    snow = mass * canvas.inside(29.5 + 1.5 * torch.cos(canvas.x * 1.3) + 0.7 * texture - canvas.y)
    canvas.lay(canvas.colour(palette.SNOW), snow * (1 - 0.25 * torch.tanh(1.5 * slope).abs()), detail=0.5)
    near = ((canvas.y - 44) / 16).clamp(0, 1)
    hill, ground = canvas.colour(palette.HILL), canvas.colour(palette.GROUND)
    brightness = 1 + 0.10 * grass(scene, canvas.side)[:, None]
    canvas.lay((hill + near * (ground - hill)) * brightness, canvas.inside(canvas.y - hills(scene, canvas.side)))
    if scene.fine is not None:
        _specks(canvas, scene, 0.55, palette.FLOWER, slice(48, SIZE))


def _slope(canvas: Canvas, ridge: torch.Tensor) -> torch.Tensor:
    """(B, 1, 64k) of a ridge of that shape: how steeply it falls to the right."""
    return F.pad(ridge[..., 1:] - ridge[..., :-1], (0, 1), mode="replicate") * canvas.scale


def _rock(canvas: Canvas, scene: Scene) -> torch.Tensor | float:
    """(B, 64k, 64k) in [-1, 1]: the texture of rock, 0 where the size has no room for it."""
    if scene.fine is None:
        return 0.0
    rows = SKY_UNITS * canvas.scale
    texture = torch.sin(1.2 * cloud_detail(scene, (rows, canvas.side)) / CLOUD_DETAIL)
    fade = ((SKY_UNITS - canvas.y[:rows]) / 6).clamp(0, 1)
    return F.pad(texture * fade, (0, 0, 0, canvas.side - rows))


def _light(canvas: Canvas, scene: Scene) -> None:
    """Warmth, strength and contrast of the light over the whole picture."""
    size = (canvas.side, canvas.side)
    warmth = F.interpolate(scene.warmth[:, None], size=size, mode="bicubic", align_corners=False)
    light = F.interpolate(scene.light[:, None], size=size, mode="bicubic", align_corners=False)
    factor, haze = canvas.plain(palette.WARM_FACTOR), canvas.plain(palette.WARM_HAZE)
    lit = canvas.image * (1 + factor * warmth + palette.STRENGTH * light) + haze * warmth
    contrast = 1 + palette.CONTRAST * scene.contrast[:, None, None, None]
    canvas.image = palette.PIVOT + contrast * (lit - palette.PIVOT)


def paint(scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    """Paint scenes.

    Returns:
        Pictures (B, 3, 64k, 64k) in [0, 1], k being the scene's scale, and a map (B, 64k, 64k) in [0, 1] of where their
        small things are.
    """
    canvas = Canvas(scene)
    for layer in (_sky, _clouds, _land, draw_trees, draw_houses, _light):
        layer(canvas, scene)
    return canvas.image.clamp(0, 1), canvas.detail
