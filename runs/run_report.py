"""The Noise Optimizer's report: plain words first, then the numbers of each picture."""

import math

from torch import Tensor, nn

from ..optimization import RunRecord
from ..preconditioning import describe_whiteness, measure_whiteness

MAX_STEPS_LISTED = 5


def headline(record: RunRecord, reward: nn.Module) -> str:
    """One line: the reward at the start and at best. Of several pictures the mean, each at its own best step."""
    start, best = finite_mean(record.rewards[0]), finite_mean(record.best_reward)
    if best is None:
        return f"{reward.name}: no finite score"
    return f"{reward.name}: {number(start)} at the start, {best:.4f} at best"


def finite_mean(scores: Tensor) -> float | None:
    """Mean of the scores (B,) that are finite, None if none is."""
    finite = scores[scores.isfinite()]
    return float(finite.mean()) if len(finite) else None


def number(score: float | Tensor | None) -> str:
    return f"{score:.4f}" if score is not None and math.isfinite(score) else "not finite"


def summary(record: RunRecord, about_model: str, typical_range: tuple[float, float]) -> str:
    """What happened in plain words: which step was best, the time, why it ended, the model, how white the noise is.

    typical_range: of the rewards in the record.
    """
    lines = [
        f"{_best_steps(record)} {record.steps} steps in {record.elapsed:.1f} s, {record.seconds_per_step:.2f} s per "
        f"step. Stopped: {record.stop_reason}.",
        about_model,
        _whiteness(record.best_noise),
    ]
    lines += _incidents(record)
    low, high = typical_range
    if record.best_reward.max() > high:
        lines.append(
            f"The score is above what ordinary pictures get ({low:g} to {high:g}): look whether the picture is still "
            "good, and use fewer steps or a smaller learning rate if it is not."
        )
    return "\n".join(lines)


def run_report(
    record: RunRecord,
    reward: nn.Module,
    parts: dict[str, list[Tensor]],
    start: Tensor,
    about_model: str,
    typical_range: tuple[float, float],
) -> str:
    """A text about ``record``: headline and summary, then a table of the rewards of a mix and one of the pictures.

    parts: scores (B,) per evaluation of each reward of a mix. start: the start noise. about_model: a sentence on the
    model and its learning rate. typical_range: of the rewards in the record.
    """
    history = record.reward_history()
    lines = [headline(record, reward) + ".", summary(record, about_model, typical_range)]
    if parts:
        lines += ["", "mean over the pictures  start     at the end  over the steps"]
        for name, scores in parts.items():
            curve = [finite_mean(values) for values in scores]
            lines.append(f"{name:<22}  {number(curve[0]):<8}  {number(curve[-1]):<10}  {sparkline(curve)}")
    stats = measure_whiteness(record.best_noise.float(), start.float())
    lines += ["", "picture  start     best      at step  norm/sqrt(N)  flatness  cosine to start"]
    for i in range(len(record.best_reward)):
        lines.append(
            f"{i + 1:<7}  {number(history[0, i]):<8}  {number(record.best_reward[i]):<8}  "
            f"{int(record.best_step[i]):<7}  "
            f"{stats.relative_norm[i]:<12.4f}  {stats.spectral_flatness[i]:<8.4f}  {stats.cosine_to_start[i]:.4f}"
        )
    return "\n".join(lines)


def _best_steps(record: RunRecord) -> str:
    first, last = int(record.best_step.min()), int(record.best_step.max())
    if record.went_back:
        return f"The noise is that of step {last}." if first == last else f"The noises are of steps {first} to {last}."
    if record.steps == 0:
        return "No other noise than the start noise was tried."
    if last == 0:
        return "No noise was better than the start noise."
    pictures = len(record.best_step)
    if pictures == 1:
        return f"The best noise came at step {last}."
    when = f"at step {last}" if first == last else f"at steps {first} to {last}"
    return f"The best noise of each of the {pictures} pictures came {when}."


def _incidents(record: RunRecord) -> list[str]:
    lines = [
        f"Picture {incident.sample + 1} was left at its best from step {incident.step} on: {incident.what}."
        for incident in record.incidents
        if incident.taken_out
    ]
    passed_over = [incident for incident in record.incidents if not incident.taken_out]
    for sample in sorted({incident.sample for incident in passed_over}):
        steps = [str(incident.step) for incident in passed_over if incident.sample == sample]
        listed = ", ".join(steps[:MAX_STEPS_LISTED]) + (" and more" if len(steps) > MAX_STEPS_LISTED else "")
        lines.append(
            f"Picture {sample + 1} had no finite score at {len(steps)} of {len(record.rewards)} noises, which were "
            f"passed over (step {listed})."
        )
    return lines


def _whiteness(noise: Tensor) -> str:
    verdicts = [describe_whiteness(sample[None]) for sample in noise]
    if len(set(verdicts)) == 1:
        return f"The best noise: {verdicts[0]}."
    return "The best noise: " + " ".join(f"picture {i + 1} {verdict}." for i, verdict in enumerate(verdicts))


BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: list[float | None], width: int = 40) -> str:
    """A curve in one line of text, from its lowest to its highest value; at most ``width`` characters.

    A gap stands for None and for what is not finite.
    """
    values = [math.nan if value is None else value for value in values]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    chosen = (
        [values[i * (len(values) - 1) // max(1, width - 1)] for i in range(width)] if len(values) > width else values
    )
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(BARS[round((v - low) / span * (len(BARS) - 1))] if math.isfinite(v) else " " for v in chosen)
