"""The Noise Optimizer's report: plain words first, then the numbers of each picture."""

from torch import Tensor

from ..optimization import RunRecord
from ..preconditioning import describe_whiteness, measure_whiteness
from .run_result import RunResult
from .scores_in_words import finite_mean, number, sparkline

MAX_STEPS_LISTED = 5


def headline(result: RunResult) -> str:
    """One line: the reward at the start and at best. Of several pictures the mean, each at its own best step."""
    start, best = finite_mean(result.record.rewards[0]), finite_mean(result.record.best_reward)
    if best is None:
        return f"{result.reward}: no finite score"
    return f"{result.reward}: {number(start)} at the start, {best:.4f} at best"


def summary(result: RunResult) -> str:
    """What happened in plain words: which step was best, the time, why it ended, the method, how white the noise is."""
    record = result.record
    lines = [
        f"{_best_steps(record)} {record.steps} steps in {record.elapsed:.1f} s, {record.seconds_per_step:.2f} s per "
        f"step. Stopped: {record.stop_reason}.",
        result.about,
        _whiteness(record.best_noise),
    ]
    lines += _incidents(record)
    low, high = result.typical_range
    if record.best_reward.max() > high:
        lines.append(
            f"The score is above what ordinary pictures get ({low:g} to {high:g}): look whether the picture is still "
            "good, and use fewer steps or a smaller learning rate if it is not."
        )
    return "\n".join(lines)


def run_report(result: RunResult) -> str:
    """A text: headline and summary, then a table of the rewards of a mix and one of the pictures."""
    record = result.record
    history, curves = record.reward_history(), result.curves
    lines = [headline(result) + ".", summary(result)]
    if result.parts:
        lines += ["", "mean over the pictures  start     at the end  over the steps"]
        for name in result.parts:
            curve = curves[name]
            lines.append(f"{name:<22}  {number(curve[0]):<8}  {number(curve[-1]):<10}  {sparkline(curve)}")
    stats = measure_whiteness(record.best_noise.float(), result.start.float())
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
