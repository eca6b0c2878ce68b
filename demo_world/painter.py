"""Scene to picture: the painter that the networks imitate. Every edge is anti-aliased over one pixel."""

import torch
import torch.nn.functional as F

from .scene import CELL, PROMPTS, SKY_ROWS, Scene

SIZE = 64

# One row per prompt: day, sunset, night, winter.
SKY_TOP = ((0.22, 0.47, 0.85), (0.32, 0.20, 0.46), (0.02, 0.03, 0.13), (0.50, 0.61, 0.76))
SKY_LOW = ((0.72, 0.87, 0.98), (0.99, 0.60, 0.32), (0.14, 0.18, 0.38), (0.82, 0.86, 0.91))
SUN = ((1.00, 0.93, 0.45), (1.00, 0.80, 0.40), (0.94, 0.94, 0.82), (1.00, 0.95, 0.75))
CLOUD = ((1.00, 1.00, 1.00), (0.98, 0.74, 0.66), (0.27, 0.30, 0.44), (0.99, 0.99, 1.00))
SPARK = ((0.12, 0.14, 0.20), (0.15, 0.08, 0.12), (1.00, 0.98, 0.85), (1.00, 1.00, 1.00))
MOUNTAIN = ((0.42, 0.47, 0.60), (0.46, 0.28, 0.40), (0.12, 0.14, 0.27), (0.52, 0.60, 0.72))
HILL = ((0.24, 0.50, 0.22), (0.36, 0.30, 0.17), (0.04, 0.13, 0.13), (0.72, 0.79, 0.88))
GROUND = ((0.46, 0.70, 0.27), (0.58, 0.45, 0.22), (0.08, 0.20, 0.15), (0.87, 0.91, 0.96))
TREE = ((0.06, 0.28, 0.12), (0.13, 0.13, 0.10), (0.01, 0.05, 0.07), (0.16, 0.33, 0.30))
SHADE = (1.00, 0.85, 0.45, 0.95)  # brightness of a wall
GLOW = (0.05, 0.30, 0.55, 0.15)  # of a lit window on its surroundings

# What one standard deviation of warmth, strength and contrast does to the light.
WARM_FACTOR, WARM_HAZE = (0.10, 0.0, -0.12), (0.025, 0.008, -0.02)
STRENGTH = 0.05
CONTRAST, PIVOT = 0.06, 0.4

WALLS, ROOFS = ((0.95, 0.90, 0.78), (0.74, 0.42, 0.34)), ((0.66, 0.15, 0.12), (0.24, 0.28, 0.42))
LIT, DARK, DOOR = (1.00, 0.84, 0.30), (0.14, 0.18, 0.30), (0.32, 0.18, 0.10)


class _Canvas:
    """Pictures (B, 3, 64, 64) and how much small detail each pixel holds (B, 64, 64)."""

    def __init__(self, scene: Scene):
        like = scene.contrast
        self.like = like
        axis = torch.arange(SIZE, device=like.device, dtype=like.dtype) + 0.5
        self.y, self.x = axis[:, None], axis[None, :]
        self.prompt = scene.prompt
        self.night = (scene.prompt == PROMPTS.index("night")).to(like)[:, None, None]
        self.winter = (scene.prompt == PROMPTS.index("winter")).to(like)[:, None, None]
        self.image = like.new_zeros(len(like), 3, SIZE, SIZE)
        self.detail = like.new_zeros(len(like), SIZE, SIZE)

    def colour(self, palette: tuple) -> torch.Tensor:
        """(B, 3, 1, 1): each picture's entry of a palette with one colour for each prompt."""
        return self.like.new_tensor(palette)[self.prompt, :, None, None]

    def lay(self, colour: torch.Tensor, alpha: torch.Tensor, detail: float = 0.0) -> None:
        """Cover with `colour` (B, 3, h, w broadcastable) where `alpha` (B, 64, 64) is 1."""
        self.image = self.image + alpha[:, None] * (colour - self.image)
        self.detail = torch.maximum(self.detail * (1 - alpha), detail * alpha)


def _inside(depth: torch.Tensor) -> torch.Tensor:
    """Coverage of a pixel whose centre lies `depth` pixels inside an edge."""
    return (depth + 0.5).clamp(0, 1)


def _present(score: torch.Tensor, threshold: float) -> torch.Tensor:
    return (0.5 + 8 * (score - threshold)).clamp(0, 1)


def _blend(pair: tuple, position: torch.Tensor) -> torch.Tensor:
    """(B, 3, 1, 1): between two colours, `position` (B,) from -1 to 1."""
    first, second = position.new_tensor(pair)
    return (first + (position[:, None] + 1) / 2 * (second - first))[..., None, None]


def _sky(canvas: _Canvas, scene: Scene) -> None:
    height = (canvas.y / 48).clamp(max=1).expand(SIZE, SIZE)
    top, low = canvas.colour(SKY_TOP), canvas.colour(SKY_LOW)
    canvas.image = (top + (low - top) * height).expand_as(canvas.image)
    distance = torch.hypot(canvas.x - scene.sun[:, 0, None, None], canvas.y - scene.sun[:, 1, None, None])
    sun = canvas.colour(SUN)
    canvas.image = canvas.image + 0.35 * torch.exp(-distance / 9)[:, None] * (sun - canvas.image)
    _sparks(canvas, scene)
    shadow = torch.hypot(canvas.x - scene.sun[:, 0, None, None] - 3, canvas.y - scene.sun[:, 1, None, None] + 2)
    disc = _inside(6.5 - distance)
    canvas.lay(sun, disc * (1 - canvas.night * _inside(5.5 - shadow)), detail=1)


def _sparks(canvas: _Canvas, scene: Scene) -> None:
    """One per sky cell at most, inside the cell: four-pointed stars, birds, snowflakes."""
    rows = (SKY_ROWS.stop - SKY_ROWS.start) * CELL
    score, dx, dy = scene.sparks.repeat_interleave(CELL, 2).repeat_interleave(CELL, 3).unbind(1)
    across = (canvas.x % CELL) - CELL / 2 - dx * 1.5
    down = (canvas.y[:rows] % CELL) - CELL / 2 - dy * 1.5
    star = _inside(2.2 - across.abs() - down.abs() - 0.8 * torch.minimum(across.abs(), down.abs()))
    flake = _inside(1.5 - torch.hypot(across, down))
    bird = _inside(0.8 - (down + 0.8 * across.abs() - 1).abs()) * _inside(2.6 - across.abs())
    by_day = 1 - canvas.night - canvas.winter
    shape = canvas.night * star + canvas.winter * flake + by_day * bird
    threshold = 0.40 + 0.48 * by_day
    alpha = F.pad(shape * _present(score, threshold), (0, 0, 0, SIZE - rows))
    canvas.lay(canvas.colour(SPARK), alpha, detail=1)


def _clouds(canvas: _Canvas, scene: Scene) -> None:
    rows = scene.clouds.shape[1] * CELL // 2
    density = F.interpolate(scene.clouds[:, None], size=(rows, SIZE), mode="bicubic", align_corners=False)[:, 0]
    above = F.pad(density, (0, 0, 2, 0), mode="replicate")[:, :-2]
    shade = 1 - 0.16 * torch.sigmoid(4 * (above - density))
    fade = ((rows - 2 - canvas.y[:rows]) / 6).clamp(0, 1)
    alpha = F.pad(0.95 * (0.5 + 3 * (density - 1.0)).clamp(0, 1) * fade, (0, 0, 0, SIZE - rows))
    shade = F.pad(shade, (0, 0, 0, SIZE - rows), value=1.0)
    canvas.lay(canvas.colour(CLOUD) * shade[:, None], alpha, detail=0.3)


def _ridge(points: torch.Tensor, smooth: bool) -> torch.Tensor:
    """(B, 8) at the cell centres -> (B, 1, 64) at every column of pixels."""
    if not smooth:
        return F.interpolate(points[:, None], size=SIZE, mode="linear", align_corners=False)
    return F.interpolate(points[:, None, None], size=(1, SIZE), mode="bicubic", align_corners=False)[:, 0]


def _land(canvas: _Canvas, scene: Scene) -> None:
    ridge = _ridge(scene.mountains, smooth=False)
    slope = F.pad(ridge[..., 1:] - ridge[..., :-1], (0, 1), mode="replicate")
    facing = torch.tanh((canvas.x - scene.sun[:, 0, None, None]) / 6)
    rock = canvas.colour(MOUNTAIN) * (1 - 0.28 * torch.tanh(1.5 * slope) * facing)[:, None]
    canvas.lay(rock, _inside(canvas.y - ridge), detail=0.2)
    snow = _inside(canvas.y - ridge) * _inside(29.5 + 1.5 * torch.cos(canvas.x * 1.3) - canvas.y)
    canvas.lay(
        canvas.colour(((0.97, 0.98, 1.0), (0.95, 0.78, 0.76), (0.50, 0.54, 0.70), (0.98, 0.99, 1.0))),
        snow * (1 - 0.25 * torch.tanh(1.5 * slope).abs()),
        detail=0.5,
    )
    ridge = _ridge(scene.hills, smooth=True)
    near = ((canvas.y - 44) / 16).clamp(0, 1)
    grass = F.pad(scene.grass, (0, 0, 5, 0))[:, None]
    grass = F.interpolate(grass, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    hill = canvas.colour(HILL) + near * (canvas.colour(GROUND) - canvas.colour(HILL))
    canvas.lay(hill * (1 + 0.10 * grass), _inside(canvas.y - ridge))


def _trees(canvas: _Canvas, scene: Scene) -> None:
    for column in range(8):
        score, dx, dy, height = (value[:, column, None, None] for value in scene.trees.unbind(1))
        x = canvas.x - (column * CELL + CELL / 2 + 1.5 * dx)
        base = 50 + 1.5 * dy
        up = base - canvas.y
        height = 11 + 2 * height
        crown = _inside(0.42 * (height - up) - x.abs()) * _inside(up - 2)
        trunk = _inside(0.9 - x.abs()) * _inside(up) * _inside(2 - up)
        alpha = (crown + trunk).clamp(max=1) * _present(score, 0.25)
        canvas.lay(canvas.colour(TREE), alpha, detail=0.8)
        snow = canvas.winter * _inside(up - 0.72 * height)
        canvas.lay(canvas.colour(GROUND), snow * alpha, detail=0.8)


def _houses(canvas: _Canvas, scene: Scene) -> None:
    shade = canvas.colour(tuple((s, s, s) for s in SHADE))
    glow = canvas.like.new_tensor(GLOW)[canvas.prompt, None, None]
    for column in range(4):
        score, dx, dy = (scene.houses[:, k, column, None, None] for k in range(3))
        wall, roof, window = (scene.houses[:, k, column] for k in range(3, 6))
        x, up = canvas.x - (16 * column + 8 + 1.5 * dx), 61.5 + 1.2 * dy - canvas.y
        present = _present(score, 0.0)
        lit = _present(window, 0.0)[:, None, None]
        light = glow * lit * torch.exp(-(x**2 + (up - 5) ** 2) / 60) * present
        canvas.image = canvas.image + light[:, None] * (canvas.like.new_tensor(LIT)[:, None, None] - canvas.image)
        canvas.lay(_blend(WALLS, wall) * shade, _inside(5 - x.abs()) * _inside(up) * _inside(7.5 - up) * present, 1)
        tiles = _blend(ROOFS, roof) * shade
        tiles = tiles + 0.6 * canvas.winter[:, None] * (canvas.colour(GROUND) - tiles)
        canvas.lay(tiles, _inside((13.5 - up) * 1.15 - x.abs()) * _inside(up - 7.5) * present, 1)
        door = _inside(1.2 - (x - 2.5).abs()) * _inside(up) * _inside(4.5 - up) * present
        canvas.lay(canvas.like.new_tensor(DOOR)[:, None, None] * shade, door, 1)
        pane = _inside(1.7 - (x + 2).abs()) * _inside(1.7 - (up - 4.5).abs()) * present
        dark, bright = (canvas.like.new_tensor(c)[:, None, None] for c in (DARK, LIT))
        canvas.lay(dark + lit[:, None] * (bright - dark), pane, 1)


def _light(canvas: _Canvas, scene: Scene) -> None:
    """Warmth, strength and contrast of the light over the whole picture."""
    size = (SIZE, SIZE)
    warmth = F.interpolate(scene.warmth[:, None], size=size, mode="bicubic", align_corners=False)
    light = F.interpolate(scene.light[:, None], size=size, mode="bicubic", align_corners=False)
    factor, haze = (canvas.like.new_tensor(c)[:, None, None] for c in (WARM_FACTOR, WARM_HAZE))
    lit = canvas.image * (1 + factor * warmth + STRENGTH * light) + haze * warmth
    canvas.image = PIVOT + (1 + CONTRAST * scene.contrast[:, None, None, None]) * (lit - PIVOT)


def paint(scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    """Paint scenes.

    Returns:
        Pictures (B, 3, 64, 64) in [0, 1] and a map (B, 64, 64) in [0, 1] of where their small things are.
    """
    canvas = _Canvas(scene)
    for layer in (_sky, _clouds, _land, _trees, _houses, _light):
        layer(canvas, scene)
    return canvas.image.clamp(0, 1), canvas.detail
