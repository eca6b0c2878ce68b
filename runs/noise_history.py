"""How an optimized noise came about: what its file tells besides the numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace

from .run_result import RunResult
from .scores_in_words import finite_or_none, in_seeds, number, seed_text
from .seed_equivalent import SeedEquivalent

NO_LIMIT = 1.0  # as in preconditioning/strength.py, which is out of reach where `runs` is imported by itself


@dataclass(frozen=True)
class NoiseHistory:
    """Every field can be written as JSON; empty where it is not known.

    Attributes:
        model: ComfyUI's name of the model's kind, such as "Flux": a hint, noise fits any model of its latent's shape.
        reward, reward_prompt: what was climbed, and the text it read.
        scores: by reward, of each picture at its best noise; None where the reward was not finite.
        best_steps: the step of each picture's best noise; 0 for what the steps began with.
        steps: how many were made.
        method, step_size: how the noise was kept noise, and the learning rate.
        stop_reason: one sentence.
        variation: if it is a variation of the noise with this history, how; one of a variation names both, the first
            one first.
        seeds: of each picture's own noise, where it is a plain draw that was chosen, and not one that was changed.
        start_seeds: of the noise that each picture's steps began with, where seeds were tried first.
            In both None stands for a given noise that no seed draws, such as an optimized one.
        start_scores: the reward of each picture there, before the first step; None where it was not finite.
        strength: how far the noise might leave its start; 1 for no limit.
        seed_equivalents: by reward, the `scores` as numbers of plain seeds; None where nothing can be said of one.
    """

    model: str = ""
    reward: str = ""
    reward_prompt: str = ""
    scores: dict[str, list[float | None]] = field(default_factory=dict)
    best_steps: list[int] = field(default_factory=list)
    steps: int = 0
    method: str = ""
    step_size: float = 0.0
    stop_reason: str = ""
    variation: str = ""
    seeds: list[int | None] = field(default_factory=list)
    start_seeds: list[int | None] = field(default_factory=list)
    start_scores: list[float | None] = field(default_factory=list)
    strength: float = NO_LIMIT
    seed_equivalents: dict[str, list[SeedEquivalent | None]] = field(default_factory=dict)

    @classmethod
    def of_run(cls, result: RunResult, **known: str | float | list[int]) -> NoiseHistory:
        """That of a run's best noise. known: the fields that the run does not know."""
        record = result.record
        return cls(
            reward=result.reward,
            scores=result.best_scores,
            best_steps=record.best_update.tolist(),
            start_scores=finite_or_none(record.start_reward) if record.seeds else [],
            steps=record.steps,
            stop_reason=record.stop_reason,
            seed_equivalents=result.equivalents,
            **known,
        )

    def varied(self, how: str) -> NoiseHistory:
        """That of a variation of this noise. how: picture, distance and seed."""
        return replace(self, variation=f"{self.variation}, then {how}" if self.variation else how)

    def header(self) -> dict[str, str]:
        """The fields as the string values of a safetensors header: JSON each."""
        return {name: json.dumps(value, ensure_ascii=False) for name, value in asdict(self).items()}

    @classmethod
    def from_header(cls, header: dict[str, str]) -> NoiseHistory:
        """What `header` wrote; missing fields stay empty.

        Raises:
            TypeError: a field holds another type.
            ValueError: a field is no JSON.
        """
        known = {}
        for entry in fields(cls):
            if entry.name in header:
                value = json.loads(header[entry.name])
                empty = getattr(UNKNOWN, entry.name)
                if not isinstance(value, (int, float) if isinstance(empty, float) else type(empty)):
                    raise TypeError(f"{entry.name} is {value!r}")
                known[entry.name] = value
        for scores in [*known.get("scores", {}).values(), known.get("start_scores", [])]:
            numbers = isinstance(scores, list) and all(
                score is None or isinstance(score, (float, int)) for score in scores
            )
            if not numbers:
                raise TypeError(f"the scores are {scores!r}")
        known["seed_equivalents"] = {
            name: [None if value is None else SeedEquivalent.from_json(value) for value in of_pictures]
            for name, of_pictures in known.get("seed_equivalents", {}).items()
        }
        return cls(**known)

    def seeds_text(self) -> str:
        """The seeds in words: one where all pictures have the same."""
        return _listed(self.seeds)

    def text(self) -> str:
        """What is known, in lines of text."""
        lines = [f"model: {self.model}"] if self.model else []
        if self.variation:
            lines.append(f"variation: {self.variation}; what follows is about the noise it started from")
        if self.reward:
            lines.append(f"optimized: {self.reward}, {self.steps} steps, {self.method}, step size {self.step_size:g}")
            lines.append(f"stopped: {self.stop_reason}")
            lines.append(f"best at step: {', '.join(map(str, self.best_steps))}")
        if self.start_seeds:
            scores = ", ".join(map(number, self.start_scores))
            lines.append(f"started from seed: {_listed(self.start_seeds)} ({self.reward}: {scores})")
        if self.strength != NO_LIMIT:
            lines.append(f"strength: {self.strength:g}")
        for name, scores in self.scores.items():
            said = in_seeds(self.seed_equivalents.get(name, []))
            lines.append(f"{name}: {', '.join(map(number, scores))}{said and f' ({said})'}")
        if self.seeds:
            lines.append(f"seed of the best noise: {self.seeds_text()}")
        if self.reward_prompt:
            lines.append(f"prompt of the reward: {self.reward_prompt}")
        return "\n".join(lines)


def _listed(seeds: list[int | None]) -> str:
    return ", ".join(map(seed_text, seeds if len(set(seeds)) > 1 else seeds[:1]))


UNKNOWN = NoiseHistory()
