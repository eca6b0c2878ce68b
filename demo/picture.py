"""The demo's picture: start, without, with; the reward curves; the noises' spectra, and what is said of them."""

import numpy as np
from PIL import Image

from figures import draw_curves
from figures.canvas import Canvas
from figures.noise_measures import band_power, compact_power, flat_samples
from preconditioning import describe_whiteness

from .run import Run

LABEL_WIDTH, GAP, HEADER = 250, 8, 90
PICTURE = 256  # pixels, whatever the size of the pictures
PLOT_HEIGHT = 420
VERDICT_SIZE, LINE = 18, 26
BANDS = 32


def draw(runs: list[Run]) -> Image.Image:
    """One row of pictures per run, two plots below, a verdict on each noise. All of it comes from `runs`."""
    columns = len(runs[0].pictures)
    width = LABEL_WIDTH + columns * (PICTURE + GAP) + GAP
    plots_top = HEADER + len(runs) * (PICTURE + GAP) + GAP
    verdicts_top = plots_top + PLOT_HEIGHT + GAP
    verdicts = [
        line
        for run in runs
        for line in Canvas(1, 1).wrap(f"{run.name}: {_verdict(run)}", VERDICT_SIZE, width - 4 * GAP)
    ]
    canvas = Canvas(width, verdicts_top + len(verdicts) * LINE + 2 * GAP)
    for row, line in enumerate(verdicts):
        canvas.text((GAP * 2, verdicts_top + row * LINE), line, VERDICT_SIZE)
    canvas.text((GAP * 2, 18), "The same noises, optimized for the same reward", 30)
    canvas.text((GAP * 2, 58), "realism error: lower is better; the judge has only seen true pictures", 18)
    for row, run in enumerate(runs):
        top = HEADER + row * (PICTURE + GAP)
        numbers = run.numbers()
        canvas.text((GAP * 2, top + 22), run.name, 25)
        for line, name in enumerate(("reward", "held-out reward", "realism error", "norm/sqrt(N)")):
            canvas.text((GAP * 2, top + 66 + 27 * line), f"{name}  {numbers[name]:.3g}", 19)
    page = canvas.picture()
    for row, run in enumerate(runs):
        for column, picture in enumerate(run.pictures):
            pixels = picture.clamp(0, 1).mul(255).round().byte().movedim(0, -1).numpy()
            tile = Image.fromarray(pixels).resize((PICTURE, PICTURE), Image.Resampling.NEAREST)
            page.paste(tile, (LABEL_WIDTH + column * (PICTURE + GAP), HEADER + row * (PICTURE + GAP)))
    half = width // 2
    longest = max(len(run.rewards) for run in runs)
    # The start as a level, so that a run has the same colour in both plots.
    rewards = {run.name: run.rewards.mean(1).tolist() * (longest if len(run.rewards) == 1 else 1) for run in runs}
    page.paste(draw_curves(rewards, "Reward, mean", width=half, height=PLOT_HEIGHT), (0, plots_top))
    spectra = {run.name: _spectrum(run) for run in runs}
    plot = draw_curves(
        spectra, "Power of the noise (white: 1)", x_label="band, low to high", width=half, height=PLOT_HEIGHT
    )
    page.paste(plot, (half, plots_top))
    return page


def _spectrum(run: Run) -> list[float]:
    """Mean power per band of the flattened noise's spectrum."""
    power = compact_power(flat_samples(np.asarray(run.noise)))
    return band_power(power, BANDS)[1].tolist()


def _verdict(run: Run) -> str:
    """What Noise Statistics says of the first noise."""
    return f"the noise of the first picture: {describe_whiteness(run.noise[:1])}"
