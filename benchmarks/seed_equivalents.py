"""How far "as good as the best of N seeds" is from the truth: the demo world, in which many true seeds can be drawn.

    python -m benchmarks.seed_equivalents                     # 100,000 seeds: 20 to 60 minutes of one CPU core
    python -m benchmarks.seed_equivalents --minutes 15 --keep FILE

All seeds together are the truth: which score the best of N of them reaches in half of all tries. Then a few of them are
drawn, again and again, and estimate N from that score as a run with so many plain seeds would. Pictures are decoded in
bfloat16, which moves a score by a hundredth.
"""

import argparse
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from runs.seed_equivalent import REACH, TAIL, seed_equivalent

from .comparison.demo_subject import DemoSubject
from .shared import command_line, table, write_json

FIRST_SEED = 400_000
BATCH = 20
FEW = (8, 16, 32, 64)
TRUTHS = (3, 10, 30, 100, 300, 1000)
LEAST_BETTER = 20  # seeds above a true N, below which it is not known well enough


@dataclass(frozen=True)
class Result:
    """One row. low, middle, high: 5, 50 and 95 % of the estimates; infinite for "more than".

    covered: share of the intervals that hold the truth.
    """

    reward: str
    truth: int
    seeds: int
    low: float
    middle: float
    high: float
    covered: float


def batches(prompt: str, first: int) -> Iterator[Tensor]:
    """Scores (BATCH, 2) of plain seeds, of the target and the held-out reward, from batch `first` on."""
    subject = DemoSubject("bfloat16")
    held_out, prompts = subject.held_out["held out"], [prompt] * BATCH
    for batch in itertools.count(first):
        generator = torch.Generator().manual_seed(FIRST_SEED + batch)
        images = subject.generate(torch.randn(BATCH, *subject.latent_shape, generator=generator), prompts)
        yield torch.stack([subject.reward(images, prompts), held_out(images, prompts)], dim=1)


@torch.inference_mode()
def plain_scores(count: int, prompt: str, minutes: float, kept: Path | None) -> dict[str, Tensor]:
    """The scores of so many plain seeds by reward, or of those for which the time is enough.

    kept: a file of scores; the seeds in it are not drawn again, and new ones are added to it.
    """
    scores = list(torch.load(kept).split(BATCH)) if kept and kept.exists() else []
    end = time.monotonic() + 60 * minutes
    for batch in batches(prompt, len(scores)):
        if len(scores) * BATCH >= count or time.monotonic() > end:
            break
        scores.append(batch)
        if kept and len(scores) % 10 == 0:
            torch.save(torch.cat(scores), kept)
    return dict(zip(("target", "held out"), torch.cat(scores)[:count].T, strict=True))


def known_shapes(count: int = 100_000) -> dict[str, Tensor]:
    """Scores whose distribution is known: a normal one, and one whose upper tail is short."""
    generator = torch.Generator().manual_seed(0)
    four = torch.rand(count, 4, generator=generator, dtype=torch.float64)
    return {
        "normal": torch.randn(count, generator=generator),
        "short upper tail, log of gamma(4)": (-four.log()).sum(1).log(),
    }


def measured(reward: str, scores: Tensor, truth: int, seeds: int, trials: int) -> Result:
    """Estimates of one true N from so many of the seeds."""
    target = float(scores.double().quantile(0.5 ** (1 / truth)))
    generator = torch.Generator().manual_seed(0)
    drawn = [scores[torch.randint(len(scores), (seeds,), generator=generator)] for _ in range(trials)]
    found = [seed_equivalent(target, plain) for plain in drawn]
    low, middle, high = (
        float(torch.tensor([_number(e.number) for e in found]).sort().values[round(share * (trials - 1))])
        for share in (TAIL, 0.5, 1 - TAIL)
    )
    holds = [_holds(truth, e.low, e.high, seeds) for e in found]
    return Result(reward, truth, seeds, low, middle, high, sum(holds) / trials)


def _number(number: float | None) -> float:
    return math.inf if number is None else number


def _holds(truth: int, low: float | None, high: float | None, seeds: int) -> bool:
    """Whether the interval does; one that begins with "more than" holds whatever is more."""
    begins = REACH * seeds if low is None else low
    return begins <= truth <= _number(high)


def report(results: list[Result]) -> str:
    """Reward by reward, a row for each truth and a column for each number of seeds."""
    rows = []
    for result in results:
        if result.seeds == FEW[0]:
            rows.append([result.reward, str(result.truth)])
        cells = (_text(value, result.seeds) for value in (result.low, result.middle, result.high))
        rows[-1].append(f"{' / '.join(cells)}, {100 * result.covered:.0f} %")
    return table(("reward", "true N", *(f"from {seeds} seeds" for seeds in FEW)), rows)


def _text(number: float, seeds: int) -> str:
    return f">{REACH * seeds}" if number == math.inf else f"{max(1.0, float(f'{number:.2g}')):.0f}"


def parser() -> argparse.ArgumentParser:
    arguments = command_line("seed_equivalents", __doc__)
    arguments.add_argument("--seeds", type=int, default=100_000, help="true ones (100,000)")
    arguments.add_argument("--trials", type=int, default=1000, help="draws of a few seeds for each row (1,000)")
    arguments.add_argument("--minutes", type=float, default=math.inf, help="draw no more seeds afterwards (no limit)")
    arguments.add_argument("--keep", type=Path, metavar="FILE", help="scores from here are used, new ones are added")
    arguments.add_argument("--prompt", default="day", help="of the demo world (day)")
    return arguments


def main(arguments: list[str] | None = None, scores: dict[str, Tensor] | None = None) -> None:
    """scores: of all seeds by reward; None for those of the demo world."""
    options = parser().parse_args(arguments)
    torch.set_num_threads(1)
    started = time.process_time()
    if scores is None:
        scores = plain_scores(options.seeds, options.prompt, options.minutes, options.keep) | known_shapes()
    results = [
        measured(reward, of_reward, truth, seeds, options.trials)
        for reward, of_reward in scores.items()
        for truth in TRUTHS
        if len(of_reward) * math.log(2) / truth >= LEAST_BETTER
        for seeds in FEW
    ]
    print(report(results))
    print(f"\n{len(next(iter(scores.values())))} true seeds, {time.process_time() - started:.0f} s")
    write_json(options.json, [asdict(result) for result in results])


if __name__ == "__main__":
    main()
