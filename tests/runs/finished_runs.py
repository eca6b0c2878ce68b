"""Runs whose rewards are given, step by step."""

import torch
from gper_pack.optimization import Incident, RunRecord
from gper_pack.runs.plain_seeds import PlainSeeds
from gper_pack.runs.run_result import RunResult

from .noises import noise

NAN = torch.nan


def plain_seeds(**scores):
    """Those of two pictures. scores: by reward, (seeds,) for both."""
    plain = PlainSeeds()
    for row in zip(*scores.values(), strict=True):
        plain.add({name: torch.full((2,), score) for name, score in zip(scores, row, strict=True)})
    return plain


def finished(rewards, parts=None, incidents=(), typical_range=(0.0, 100.0), seeds=0, **known):
    """A run of two pictures. rewards: (evaluations, 2) of what was climbed. parts: the same of each reward of a mix.
    seeds: how many of the evaluations were planned as seeds."""
    record = RunRecord.start(noise(), seeds)
    for step, row in enumerate(rewards):
        record.add(noise(seed=step), torch.tensor(row))
        record.seconds.append(0.5)
    record.stop_reason = f"all {record.steps} steps done"
    record.incidents += [Incident(*incident) for incident in incidents]
    parts = {name: [torch.tensor(row) for row in rows] for name, rows in (parts or {}).items()}
    return RunResult(record, "mix", typical_range, noise(), "About.", parts, **known)
