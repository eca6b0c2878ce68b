"""How white gradients become: intervals of order statistics, the projection, and both; and what each costs.

    python -m benchmarks.whitening               # writes docs/noisetilt.json and its tables into docs/noisetilt.md

Synthetic gradients of FLUX's latent at 512 pixels, whose amplitude falls with frequency or which stand in the middle of
the picture. Every number is the median of the seeds, but for the worst and for how many Noise Statistics finds white.
Times are the least of the repeats, in milliseconds of one CPU core.
"""

import argparse
import math
import platform
import time
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

from .projection import milliseconds
from .shared import table, write_json
from .whiteness_measures import BANDS, band_ratio, centre_to_edge, lag_one

PAGE = Path(__file__).resolve().parents[1] / "docs" / "noisetilt.md"
SHAPE = (16, 64, 64)
LATER = 5  # passes over the values
TIMED = ((16, 64, 64), (4, 128, 128), (16, 96, 96), (16, 128, 128))

INTERVALS, PROJECTION, BOTH = OrderStatisticWhitener(project=False), WhiteGaussianProjector(), OrderStatisticWhitener()
WAYS = {
    "as it is": (),
    "intervals": (INTERVALS,),
    "projection": (PROJECTION,),
    "both": (BOTH,),
    "both, twice": (BOTH, BOTH),
}
EXPONENTS = {"white": 0, "1/f^0.5": 0.5, "1/f": 1, "1/f^1.5": 1.5, "1/f^2": 2}
GRADIENTS = {name: (exponent, False) for name, exponent in EXPONENTS.items()} | {
    "white, in the middle": (0, True),
    "1/f, in the middle": (1, True),
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


def whitened(x: Tensor, way: str) -> Tensor:
    for each in WAYS[way]:
        x = each.precondition(x, x)
    return x


def measured(name: str, way: str, seeds: range) -> dict:
    found, verdicts = [], []
    for seed in seeds:
        x = gradient(name, seed)
        white = whitened(x, way)
        rms = white.square().mean().sqrt()
        cosine = measure_whiteness(white, x).cosine_to_start
        found.append([float(cosine), lag_one(white), band_ratio(white), centre_to_edge(white),
                      float(white.abs().max() / rms)])  # fmt: skip
        verdicts.append(describe_whiteness(white))
    median = torch.tensor(found, dtype=torch.float64).median(0).values.tolist()
    fields = ("cosine", "lag_one", "band_ratio", "centre_to_edge", "largest")
    return {"gradient": name, "way": way, **dict(zip(fields, median, strict=True)), "seeds": len(seeds),
            "white": verdicts.count(WHITE), "first_verdict": verdicts[0]}  # fmt: skip


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
    x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    outliers = x / torch.randn(1, *shape, generator=torch.Generator().manual_seed(1)).abs().clamp_min(1e-6)
    row = {"sample": " x ".join(map(str, shape)), "elements": math.prod(shape)}
    ways = {"intervals": INTERVALS, "projection": PROJECTION, "both": BOTH}
    for kind, each in (("noise", x), ("outliers", outliers)):
        times = {way: [] for way in ways}
        for _ in range(repeats + 2):
            for way, whitener in ways.items():
                call = lambda y, whitener=whitener: whitener.precondition(y, y)  # noqa: E731
                times[way].append(milliseconds(call, each, time.process_time))
        row |= {f"{way}, {kind}": min(taken[2:]) for way, taken in times.items()}
    return row


def quality_table(rows: list[dict]) -> str:
    head = ("gradient", "whitened by", "cosine to the gradient", "lag-1 correlation", "bands, most to least",
            "centre to edge", "largest value", "looks white")  # fmt: skip
    return table(head, [
        (row["gradient"], row["way"], f"{row['cosine']:.3f}", f"{row['lag_one']:.3f}", f"{row['band_ratio']:,.2f}",
         f"{row['centre_to_edge']:,.2f}", f"{row['largest']:.1f}", f"{row['white']} of {row['seeds']}")
        for row in rows
    ])  # fmt: skip


def membership_table(rows: list[dict]) -> str:
    counts = (0, 1, LATER)
    head = ("gradient", "in", *(f"after {count}" if count else "outside before" for count in counts))
    return table(head, [
        (row["gradient"], row["domain"],
         *(f"{row[f'share {count}']:.2%}, by {row[f'largest {count}']:.2f}" if row[f"share {count}"] else "none"
           for count in counts))
        for row in rows
    ])  # fmt: skip


def cost_table(rows: list[dict]) -> str:
    columns = [column for column in rows[0] if "," in column]
    return table(("sample", "elements", *columns), [
        (row["sample"], f"{row['elements']:,}", *(f"{row[column]:.1f} ms" for column in columns)) for row in rows
    ])  # fmt: skip


def page_with(page: str, numbers: dict) -> str:
    """The page with these tables in the places of those that it holds."""
    tables = {"membership": membership_table, "quality": quality_table, "cost": cost_table}
    for name, drawn in ((name, draw(numbers[name])) for name, draw in tables.items()):
        begin, end = f"<!-- {name}: made by python -m benchmarks.whitening -->", f"<!-- end of {name} -->"
        before, rest = page.split(begin)
        page = f"{before}{begin}\n\n{drawn}\n\n{end}{rest.split(end)[1]}"
    return page


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.whitening", description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    arguments.add_argument("--seeds", type=int, default=5, help="gradients of each kind (5)")
    arguments.add_argument("--repeats", type=int, default=15, help="of each timing (15)")
    arguments.add_argument("--page", type=Path, default=PAGE, help="the page with the tables (docs/noisetilt.md); its "
                           "numbers go beside it")  # fmt: skip
    return arguments


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    torch.set_num_threads(1)
    numbers = {
        "machine": {"processor": platform.processor() or platform.machine(), "torch": torch.__version__},
        "bands": BANDS,
        "cost": [timed(shape, options.repeats) for shape in TIMED],
        "membership": [membership(name, domain) for name in GRADIENTS for domain in ("frequency", "space")],
        "quality": [measured(name, way, range(options.seeds)) for name in GRADIENTS for way in WAYS],
    }
    print(quality_table(numbers["quality"]), cost_table(numbers["cost"]), sep="\n\n")
    write_json(options.page.with_suffix(".json"), numbers)
    write_text_whole(options.page, page_with(options.page.read_text(encoding="utf-8"), numbers))


if __name__ == "__main__":
    main()
