"""The NoiseTilt Sampler's report: plain words first, then the numbers of each picture."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..optimization import TiltedNoise
from ..preconditioning import describe_whiteness
from .scores_in_words import finite_mean, number, sparkline


def tilt_report(
    tilted: TiltedNoise,
    reward: str,
    typical_range: tuple[float, float],
    about: str,
    parts: Mapping[str, Sequence[Tensor]],
) -> str:
    """A text: what the reward expected of the first state and found in the end, what was done, what went wrong.

    Args:
        tilted: the noise of a sampling that is over.
        reward: the name of what was climbed.
        typical_range: of its scores.
        about: the settings in words.
        parts: of each reward of a mix, by name, its scores (B,) per look; empty for a single reward.
    """
    record = tilted.record
    if not record.rewards:
        return f"{reward}: nothing was scored. Ended: {record.stop_reason}.\n{about}"
    first, last = record.rewards[0], record.rewards[-1]
    mean = finite_mean(last)
    each = f"{record.seconds_per_step:.2f} s for each, " if tilted.tilted_steps else ""
    lines = [
        f"{reward}: {_scores(tilted)}",
        f"The noise of {tilted.tilted_steps} of {tilted.noises} steps was tilted; {each}{record.elapsed:.1f} s in all. "
        f"Ended: {record.stop_reason}.",
        about,
    ]
    if tilted.injected is not None:
        verdicts = dict.fromkeys(describe_whiteness(sample[None].float()) for sample in tilted.injected)
        lines.append(f"The last tilted noise: {'; '.join(verdicts)}.")
    for incident in record.incidents:
        lines.append(f"Picture {incident.sample + 1} took plain noise at step {incident.step + 1}: {incident.what}.")
    if mean is not None and mean > typical_range[1]:
        low, high = typical_range
        lines.append(
            f"The score is above what ordinary pictures get ({low:g} to {high:g}): look whether the picture is still "
            "good, and use less strength if it is not."
        )
    for name, scores in {reward: record.rewards, **parts}.items():
        curve = [finite_mean(of_look) for of_look in scores]
        lines.append(f"{name}: {number(curve[0])} {sparkline(curve)} {number(curve[-1])}")
    if len(last) > 1:
        lines += [f"picture {i + 1}: {number(first[i])} -> {number(last[i])}" for i in range(len(last))]
    return "\n".join(lines)


def _scores(tilted: TiltedNoise) -> str:
    """The first and the last mean score, and of what they are."""
    rewards = tilted.record.rewards
    first, last = number(finite_mean(rewards[0])), number(finite_mean(rewards[-1]))
    if tilted.scored and len(rewards) == 1:
        return f"{last} in the end; no step was looked at."
    expected = f"{first} expected at step {tilted.tilt.steps(tilted.noises)[0] + 1}"
    if tilted.scored:
        return f"{expected}, {last} in the end."
    latest = f", {last} when a step was looked at last" if len(rewards) > 1 else ""
    return f"{expected}{latest}; the finished picture was not scored."
