"""The Noise Optimizer's report: plain words first, then the numbers of each picture.

What it says of the method comes with the run, see `RunResult.about`, and of the noise's whiteness from
`preconditioning.describe_whiteness`.
"""

from torch import Tensor

from ..optimization import RunRecord
from ..preconditioning import describe_whiteness, measure_whiteness
from .run_result import RunResult
from .scores_in_words import finite_mean, in_seeds, number, seed_text, seeds_cell, sparkline

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
        *_seeds(record),
        *_in_seeds(result),
        *filter(None, [result.warning]),
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
        for name, scores in result.parts.items():
            curve = curves[name]
            lines.append(
                f"{name:<22}  {number(finite_mean(scores[0])):<8}  {number(curve[-1]):<10}  {sparkline(curve)}"
            )
    stats = measure_whiteness(record.best_noise.float(), result.start.float())
    seeds = bool(result.start_seeds)
    equivalents = result.equivalents.get(result.reward)
    lines += [
        "",
        f"picture  start     {'from seed             with      ' * seeds}best      at step  norm/sqrt(N)  flatness  "
        f"cosine to start{'  best of seeds' * bool(equivalents)}",
    ]
    for i in range(len(record.best_reward)):
        row = (
            f"{i + 1:<7}  {number(history[0, i]):<8}  "
            + (f"{seed_text(result.start_seeds[i]):<20}  {number(record.start_reward[i]):<8}  " if seeds else "")
            + f"{number(record.best_reward[i]):<8}  {int(record.best_update[i]):<7}  "
            f"{stats.relative_norm[i]:<12.4f}  {stats.spectral_flatness[i]:<8.4f}  {stats.cosine_to_start[i]:<15.4f}  "
            + (seeds_cell(equivalents[i]) if equivalents else "")
        )
        lines.append(row.rstrip())
    return "\n".join(lines)


def _best_steps(record: RunRecord) -> str:
    first, last = int(record.best_update.min()), int(record.best_update.max())
    if record.went_back:
        if record.seeds and last == 0:
            return "The noise is that of the best seed."
        return f"The noise is that of step {last}." if first == last else f"The noises are of steps {first} to {last}."
    if record.seeds and last == 0:
        return "No step was better than the best seed." if record.steps else "Only seeds were tried."
    if record.steps == 0:
        return "No other noise than the start noise was tried."
    if last == 0:
        return "No noise was better than the start noise."
    pictures = len(record.best_step)
    if pictures == 1:
        return f"The best noise came at step {last}."
    when = f"at step {last}" if first == last else f"at steps {first} to {last}"
    return f"The best noise of each of the {pictures} pictures came {when}."


def _seeds(record: RunRecord) -> list[str]:
    """What the seeds gave and what the steps added, in the mean over the pictures for which both are known."""
    if record.seeds < 2 or not record.start_reward.isfinite().any():
        return []
    first, start, best = record.rewards[0], record.start_reward, record.best_reward
    tried = f"Of {record.seeds} seeds the best one"
    gave = finite_mean(start - first)
    if gave is None:
        said = f"{tried} was not the first, whose score was not finite"
    else:
        said = f"{tried} was {gave:.4f} better than the first" if gave else f"{tried} was the first"
    added = finite_mean(best - start) if record.steps else None
    return [f"{said}; the steps added {added:.4f}." if added is not None else f"{said}."]


def _in_seeds(result: RunResult) -> list[str]:
    """Every score as a number of seeds, of several pictures from the lowest to the highest."""
    said = [f"{name}: {in_seeds(of_pictures)}" for name, of_pictures in result.equivalents.items()]
    return [f"{'; '.join(said)}. This says how rare a score is, not how good the picture is."] if said else []


def _incidents(record: RunRecord) -> list[str]:
    begins = record.ascent_start
    lines = [
        f"Picture {incident.sample + 1} was left at its best from step {incident.step - begins} on: {incident.what}."
        for incident in record.incidents
        if incident.taken_out
    ]
    passed_over = [incident for incident in record.incidents if not incident.taken_out]
    for sample in sorted({incident.sample for incident in passed_over}):
        steps = [str(incident.step + bool(begins)) for incident in passed_over if incident.sample == sample]
        listed = ", ".join(steps[:MAX_STEPS_LISTED]) + (" and more" if len(steps) > MAX_STEPS_LISTED else "")
        tried, kind = (record.seeds, "seed") if begins else (len(record.rewards), "step")
        lines.append(
            f"Picture {sample + 1} had no finite score at {len(steps)} of {tried} noises, which were passed over "
            f"({kind} {listed})."
        )
    return lines


def _whiteness(noise: Tensor) -> str:
    verdicts = [describe_whiteness(sample[None]) for sample in noise]
    if len(set(verdicts)) == 1:
        return f"The best noise: {verdicts[0]}."
    return "The best noise: " + " ".join(f"picture {i + 1} {verdict}." for i, verdict in enumerate(verdicts))
