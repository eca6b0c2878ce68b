"""How white gradients become: intervals of order statistics, the projection, and both; and what each costs.

    python -m benchmarks.whitening               # writes docs/noisetilt.json and its tables into docs/noisetilt.md

Synthetic gradients of FLUX's latent at 512 pixels, whose amplitude falls with frequency or which stand in the middle of
the picture. Every number is the median of the seeds, but for the worst and for how many Noise Statistics finds white.
Times are the least of the repeats, in milliseconds of one CPU core.
"""

import argparse
import math
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from preconditioning import (
    OrderStatisticWhitener,
    WhiteGaussianProjector,
    describe_whiteness,
    measure_whiteness,
)
from preconditioning.compact_tiles import TILE, compact_order
from preconditioning.cosine_transform import cosine_transform
from preconditioning.order_statistics import bounds_like, normal_bounds, two_level_sort
from preconditioning.tile_intervals import clip_values
from preconditioning.whiteness_verdict import WHITE
from runs.whole_files import write_text_whole

from .projection import noise_and_outliers
from .shared import DOCS, command_line, least_milliseconds, machine, table, table_of, write_json

PAGE = DOCS / "noisetilt.md"
SHAPE = (16, 64, 64)
BANDS = 8
LATER = 5  # passes over the values
TIMED = ((16, 64, 64), (4, 128, 128), (16, 96, 96), (16, 128, 128))

INTERVALS, PROJECTION, BOTH = OrderStatisticWhitener(project=False), WhiteGaussianProjector(), OrderStatisticWhitener()
WHITENERS = {"intervals": INTERVALS, "projection": PROJECTION, "both": BOTH}
WAYS = {"as it is": (), **{name: (each,) for name, each in WHITENERS.items()}, "both, twice": (BOTH, BOTH)}
EXPONENTS = {"white": 0, "1/f^0.5": 0.5, "1/f": 1, "1/f^1.5": 1.5, "1/f^2": 2}
GRADIENTS = {name: (exponent, False) for name, exponent in EXPONENTS.items()} | {
    "white, in the middle": (0, True),
    "1/f, in the middle": (1, True),
}
QUALITY = {
    "gradient": "{gradient}", "whitened by": "{way}", "cosine to the gradient": "{cosine:.3f}",
    "lag-1 correlation": "{lag_one:.3f}", "bands, most to least": "{band_ratio:,.2f}",
    "centre to edge": "{centre_to_edge:,.2f}", "largest value": "{largest:.1f}", "looks white": "{white} of {seeds}",
}


def gradient(name: str, seed: int) -> Tensor:
    """(1, *SHAPE): amplitude 1 / f^exponent along rows and columns, under a bell of an eighth of the side or not."""
    exponent, in_the_middle = GRADIENTS[name]
    noise = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(seed))
    rows, columns = (torch.fft.fftfreq(side) for side in SHAPE[-2:])
    frequency = torch.hypot(rows[:, None], columns)
    frequency[0, 0] = frequency[0, 1]
    x = torch.fft.ifft2(torch.fft.fft2(noise) * frequency**-exponent).real
    if in_the_middle:
        down, across = (torch.linspace(-4, 4, side) for side in SHAPE[-2:])
        x = x * torch.exp(-(down[:, None] ** 2 + across**2) / 2)
    return x.contiguous()


# Three numbers for what the eye sees in noise that is not white. All take (1, channels, rows, columns).


def lag_one(x: Tensor) -> float:
    """Correlation of neighbours, the mean of rows and columns; each channel about its mean. White: 0."""
    x = x - x.mean((-2, -1), keepdim=True)
    beside, below = (x[..., 1:] * x[..., :-1]).mean(), (x[..., 1:, :] * x[..., :-1, :]).mean()
    return float((beside + below) / 2 / x.square().mean())


def band_ratio(x: Tensor) -> float:
    """Power of the strongest over that of the weakest of `BANDS` equally wide rings of the cosine transform. White: 1.

    Corners, beyond the highest frequency of a row, are left out.
    """
    power = cosine_transform(x).square().mean((0, 1))
    rows, columns = (torch.arange(side) / side for side in power.shape)
    ring = (torch.hypot(rows[:, None], columns) * BANDS).long()
    means = torch.stack([power[ring == band].mean() for band in range(BANDS)])
    return float(means.max() / means.min())


def centre_to_edge(x: Tensor) -> float:
    """Power of the middle quarter of each side over that of the outer eighths. White: 1."""
    power = x.square().mean((0, 1))
    height, width = power.shape
    middle = power[3 * height // 8 : 5 * height // 8, 3 * width // 8 : 5 * width // 8]
    edge = torch.ones_like(power, dtype=torch.bool)
    edge[height // 8 : height - height // 8, width // 8 : width - width // 8] = False
    return float(middle.mean() / power[edge].mean())


def measured(name: str, way: str, seeds: range) -> dict:
    found, verdicts = [], []
    for seed in seeds:
        x = white = gradient(name, seed)
        for each in WAYS[way]:
            white = each.precondition(white, white)
        found.append({
            "cosine": float(measure_whiteness(white, x).cosine_to_start),
            "lag_one": lag_one(white),
            "band_ratio": band_ratio(white),
            "centre_to_edge": centre_to_edge(white),
            "largest": float(white.abs().max() / white.square().mean().sqrt()),
        })
        verdicts.append(describe_whiteness(white))
    medians = {field: float(torch.tensor([one[field] for one in found], dtype=torch.float64).median())
               for field in found[0]}
    return {"gradient": name, "way": way, **medians, "seeds": len(seeds), "white": verdicts.count(WHITE),
            "first_verdict": verdicts[0]}


def membership(name: str, domain: str) -> dict:
    """How far the values' order statistics are outside their intervals, before and after passes over them alone."""
    x = gradient(name, 0)
    y = (x if domain == "space" else cosine_transform(x)) / x.square().mean().sqrt()
    y = y.flatten(1)[:, compact_order(SHAPE, y.device)].unflatten(1, (-1, TILE))
    bounds = bounds_like(normal_bounds, tuple(y.shape[1:]), y.dtype, y.device)
    row = {"gradient": name, "domain": domain}
    for passes in range(LATER + 1):
        if passes in (0, 1, LATER):
            statistics = two_level_sort(y)[0]
            beyond = (statistics - statistics.clamp(*bounds)).abs()
            row |= {f"share {passes}": float((beyond > 1e-5).float().mean()), f"largest {passes}": float(beyond.max())}
        y = clip_values(y)
    return row


def timed(shape: tuple[int, ...], repeats: int) -> dict:
    row = {"sample": " x ".join(map(str, shape)), "elements": math.prod(shape)}
    for kind, x in noise_and_outliers((1, *shape), 0).items():
        times = least_milliseconds([partial(each.precondition, x, x) for each in WHITENERS.values()], repeats, x.device)
        row |= {f"{way}, {kind}": least for way, least in zip(WHITENERS, times, strict=True)}
    return row


def membership_table(rows: list[dict]) -> str:
    counts = (0, 1, LATER)
    head = ("gradient", "in", *(f"after {count}" if count else "outside before" for count in counts))
    return table(head, [
        (row["gradient"], row["domain"],
         *(f"{row[f'share {count}']:.2%}, by {row[f'largest {count}']:.2f}" if row[f"share {count}"] else "none"
           for count in counts))
        for row in rows
    ])


def cost_table(rows: list[dict]) -> str:
    times = {name: f"{{{name}:.1f}} ms" for name in rows[0] if "," in name}
    return table_of({"sample": "{sample}", "elements": "{elements:,}", **times}, rows)


def page_with(page: str, numbers: dict) -> str:
    """The page with these tables in the places of those that it holds."""
    tables = {"membership": membership_table, "quality": partial(table_of, QUALITY), "cost": cost_table}
    for name, drawn in ((name, draw(numbers[name])) for name, draw in tables.items()):
        begin, end = f"<!-- {name}: made by python -m benchmarks.whitening -->", f"<!-- end of {name} -->"
        before, rest = page.split(begin)
        page = f"{before}{begin}\n\n{drawn}\n\n{end}{rest.split(end)[1]}"
    return page


def parser() -> argparse.ArgumentParser:
    arguments = command_line("whitening", __doc__, json=False)
    arguments.add_argument("--seeds", type=int, default=5, help="gradients of each kind (5)")
    arguments.add_argument("--repeats", type=int, default=15, help="of each timing (15)")
    arguments.add_argument("--page", type=Path, default=PAGE, help="the page with the tables (docs/noisetilt.md); its "
                           "numbers go beside it")
    return arguments


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    torch.set_num_threads(1)
    numbers = {
        "machine": machine(),
        "bands": BANDS,
        "cost": [timed(shape, options.repeats) for shape in TIMED],
        "membership": [membership(name, domain) for name in GRADIENTS for domain in ("frequency", "space")],
        "quality": [measured(name, way, range(options.seeds)) for name in GRADIENTS for way in WAYS],
    }
    print(table_of(QUALITY, numbers["quality"]), cost_table(numbers["cost"]), sep="\n\n")
    write_json(options.page.with_suffix(".json"), numbers)
    write_text_whole(options.page, page_with(options.page.read_text(encoding="utf-8"), numbers))


if __name__ == "__main__":
    main()
