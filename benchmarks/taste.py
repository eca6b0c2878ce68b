"""A taste learned in the demo world from pictures that a hidden rule chose, and what optimizing against it does.

    python -m benchmarks.taste        # some three minutes of one CPU core; the help page gets the results

The rule is dusk with many stars: open sky full of stars, a low moon, dim light. It is read off the scene itself, and is
not the world's reward; what learns never sees it. Of 160 plain pictures of the scene "night" the 32 that it likes best
are the liked ones, the others the disliked ones. Then eight other noises are optimized.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from demo_world import asset_path, load_world
from demo_world.scene import PROMPTS, Scene, plan
from figures.canvas import Canvas
from optimization import Stopping, ascend
from preconditioning import RECIPES
from reward_models import load_image_encoder
from reward_models.taste import EmbeddingStore, Picture, Taste, embedded_lesson, in_eight_bits, learn
from runs.whole_files import write_text_whole

from .comparison.scene_reader import SceneReader
from .shared import table, write_json

ROOT = Path(__file__).resolve().parents[1]
PAGE, NUMBERS = ROOT / "web" / "docs" / "GPER_LearnTaste.md", ROOT / "docs" / "taste.json"
SCENE = "night"
POOL_SEED, START_SEED = 400_000, 410_000  # of the pictures to choose from, and of the noises to optimize
POOL, LIKED = 160, 32
RATE = 0.05  # as in the workflows of the demo world
OPEN_SKY = slice(0, 3)  # rows of cells above every ridge
SHOWN, TILE, LABEL = 6, 128, 250  # pictures of a row, pixels


def dusk_with_stars(scene: Scene) -> Tensor:
    """(B,) from about 0 to 10: stars in the open sky (60%), a low moon (20%), dim light (20%)."""
    stars = torch.sigmoid(8 * (scene.sparks[:, 0, OPEN_SKY] - 0.40)).mean((1, 2))
    low = (scene.sun[:, 1] - 7) / 14
    dim = (2.5 - scene.light.mean((1, 2))) / 5
    return 10 * (0.6 * stars + 0.2 * low + 0.2 * dim)


def rule(noise: Tensor) -> Tensor:
    """(B,) of noises (B, 16, 8, 8): the hidden rule, of the scene that each stands for."""
    return dusk_with_stars(plan(noise, torch.full((len(noise),), PROMPTS.index(SCENE))))


def drawn(first_seed: int, count: int) -> Tensor:
    """(count, 16, 8, 8): white noise, each with a seed of its own."""
    seeds = range(first_seed, first_seed + count)
    return torch.stack([torch.randn(16, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


@dataclass(frozen=True)
class Row:
    """Means over the noises. judges: the autoencoder that painter pictures taught, and the scene reader."""

    way: str
    taste: float
    hidden: float
    realism_error: float
    scene_distance: float
    seconds: float


class Study:
    """The world, what was learned in it, and the start noises. noises: how many. steps: of an ascent."""

    def __init__(self, noises: int, steps: int) -> None:
        self.world, self.reader, self.steps = load_world(), SceneReader.load(), steps
        self.start = drawn(START_SEED, noises)
        self.encoder = load_image_encoder(asset_path("encoder"))
        self.store = EmbeddingStore()
        pool = drawn(POOL_SEED, POOL)
        order = rule(pool).argsort(descending=True)
        liked, others = (self._pictures(pool[chosen]) for chosen in (order[:LIKED], order[LIKED:]))
        self.cautious, self.held_out = self._taste(liked, others, 1.0)
        self.single, _ = self._taste(liked, others, 0.0)
        self.alone, self.held_out_alone = self._taste(liked, [], 1.0)

    def generate(self, noise: Tensor) -> Tensor:
        return self.world.generate(noise, SCENE)

    @torch.no_grad()
    def _pictures(self, noise: Tensor) -> list[Picture]:
        images = [in_eight_bits(image) for chunk in noise.split(16) for image in self.generate(chunk)]
        return [Picture.of(lambda image=image: image) for image in images]

    def _taste(self, liked: list[Picture], disliked: list[Picture], caution: float) -> tuple[Taste, object]:
        lesson = embedded_lesson(self.encoder, "demo", liked, disliked, self.store)
        head, found = learn(lesson, caution)
        return Taste(self.encoder, head).requires_grad_(False).eval(), found

    def ascent(self, method: str, taste: Taste) -> Tensor:
        record = ascend(
            self.start, self.generate, taste, stopping=Stopping(steps=self.steps), **RECIPES[method].arguments(RATE)
        )
        return record.best_noise

    @torch.no_grad()
    def best_of_seeds(self, seconds: float, score: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, int]:
        """For each start noise the best of as many seeds as the time allows, itself the first; and how many."""
        best, tried, started = self.start.clone(), 1, time.process_time()
        highest = score(best, self.generate(best))
        while time.process_time() - started < seconds:
            noise = drawn(START_SEED + 1000 * tried, len(best))
            scores = score(noise, self.generate(noise))
            better = scores > highest
            best[better], highest = noise[better], scores.maximum(highest)
            tried += 1
        return best, tried

    @torch.no_grad()
    def row(self, way: str, noise: Tensor, seconds: float) -> Row:
        images = self.generate(noise)
        measures = (
            self.cautious(images),
            rule(noise),
            self.world.realism_error(images),
            self.reader.mahalanobis(images),
        )
        return Row(way, *(float(measure.mean()) for measure in measures), seconds)


def measured(study: Study) -> tuple[list[Row], dict[str, Tensor]]:
    """Every way, and the noises that it found."""
    rows, found = [study.row("plain seeds", study.start, 0.0)], {"plain seeds": study.start}

    def add(way: str, search: Callable[[], Tensor]) -> float:
        started = time.process_time()
        found[way] = search()
        rows.append(study.row(way, found[way], time.process_time() - started))
        return rows[-1].seconds

    equal_time = 0.0
    for method, with_or_without in (("none", "without projection"), ("GPER", "with projection")):
        add(f"{with_or_without}, one line", lambda method=method: study.ascent(method, study.single))
        equal_time = add(f"{with_or_without}, ensemble", lambda method=method: study.ascent(method, study.cautious))
    add("with projection, ensemble, no disliked pictures", lambda: study.ascent("GPER", study.alone))
    for name, score in (
        ("the taste", lambda noise, images: study.cautious(images)),
        ("the rule itself", lambda noise, images: rule(noise)),
    ):
        started = time.process_time()
        best, tried = study.best_of_seeds(equal_time, score)
        way = f"best of {tried} seeds by {name}"
        found[way] = best
        rows.insert(len(rows) if name != "the taste" else 1, study.row(way, best, time.process_time() - started))
    return rows, found


def results_table(rows: list[dict]) -> str:
    head = ("way", "taste", "hidden rule", "realism error", "scene distance", "seconds")
    return table(head, [
        (row["way"], f"{row['taste']:.1f}", f"{row['hidden']:.1f}", f"{row['realism_error']:.1f}",
         f"{row['scene_distance']:.1f}", f"{row['seconds']:.0f}")
        for row in rows
    ])  # fmt: skip


def page_with(page: str, numbers: dict) -> str:
    """The page with the table in the place of the one that it holds."""
    begin, end = "<!-- results: made by python -m benchmarks.taste -->", "<!-- end of results -->"
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{results_table(numbers['rows'])}\n\n{end}{rest.split(end)[1]}"


@torch.no_grad()
def draw(study: Study, rows: list[Row], found: dict[str, Tensor]) -> Image.Image:
    """A row of pictures for each way, from the same start noises."""
    shown = min(SHOWN, len(study.start))
    canvas = Canvas(LABEL + shown * TILE, len(rows) * TILE)
    for i, row in enumerate(rows):
        for j, line in enumerate(canvas.wrap(row.way, 17, LABEL - 20)):
            canvas.text((10, i * TILE + 10 + 22 * j), line, 17)
        canvas.text((10, i * TILE + 84), f"hidden rule {row.hidden:.1f}", 15)
        canvas.text((10, i * TILE + 104), f"realism error {row.realism_error:.1f}", 15)
    page = canvas.picture()
    for i, row in enumerate(rows):
        for j, image in enumerate(study.generate(found[row.way][:shown])):
            tile = Image.fromarray(in_eight_bits(image).movedim(0, -1).numpy())
            page.paste(tile.resize((TILE - 4, TILE - 4), Image.Resampling.NEAREST), (LABEL + j * TILE, i * TILE + 2))
    return page


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m benchmarks.taste", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--noises", type=int, default=8, help="start noises (8)")
    arguments.add_argument("--steps", type=int, default=40, help="updates of an ascent (40)")
    arguments.add_argument("--page", type=Path, default=PAGE, help="gets the table, the picture goes beside it")
    arguments.add_argument("--json", type=Path, default=NUMBERS, help="gets the numbers (docs/taste.json)")
    return arguments


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    torch.set_num_threads(1)
    study = Study(options.noises, options.steps)
    rows, found = measured(study)
    pool = rule(drawn(POOL_SEED, POOL))
    numbers = {
        "rule of the pool": {"mean": float(pool.mean()), "standard deviation": float(pool.std())},
        "held out": asdict(study.held_out),
        "held out, no disliked pictures": asdict(study.held_out_alone),
        "rows": [asdict(row) for row in rows],
    }
    print(results_table(numbers["rows"]), numbers["held out"], numbers["rule of the pool"], sep="\n")
    write_json(options.json, numbers)
    draw(study, rows, found).save(options.page.with_suffix(".jpg"), quality=88)
    write_text_whole(options.page, page_with(options.page.read_text(encoding="utf-8"), numbers))


if __name__ == "__main__":
    main()
