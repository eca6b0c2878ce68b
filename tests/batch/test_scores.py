"""Scores from noise files and tables."""

import json

import torch
from safetensors.torch import save

from batch.scores import curve_of, joined, noise_scores, of_picture, start_scores, table_scores

TABLE = """rank  picture    demo taste  held-out taste
1     2              7.1000          6.0000  seed 8
2     1              5.2000      not finite  seed 7"""


def noise_file(**header):
    return save({"noise": torch.zeros(2, 4, 8, 8)}, {name: json.dumps(value) for name, value in header.items()})


def test_of_a_noise_file():
    columns = noise_scores(
        noise_file(format="gper-noise", scores={"mix": [1.5, None], "a b": [1.0, 2.0]}, variation="")
    )
    assert list(columns.items()) == [("mix", [1.5, None]), ("a b", [1.0, 2.0])]
    assert of_picture(columns, 1) == {"mix": None, "a b": 2.0}


def test_the_scores_of_a_variation_are_its_parents():
    assert noise_scores(noise_file(scores={"mix": [1.5]}, variation="of picture 1")) == {}
    assert noise_scores(noise_file(format="gper-noise")) == {}


def test_of_a_table():
    columns, order = table_scores(TABLE)
    assert columns == {"demo taste": [5.2, 7.1], "held-out taste": [None, 6.0]}
    assert order == [1, 0]


def test_noises_of_several_runs_follow_one_another():
    assert joined([{"a": [1.0], "b": [2.0]}, {"a": [3.0]}]) == {"a": [1.0, 3.0]}
    assert joined([]) == {}


def test_a_curve_keeps_its_end():
    history = [[float(i), -float(i)] for i in range(401)]
    curve = curve_of(history, 1)
    assert len(curve) <= 40 and curve[-1] == -400.0
    assert curve_of([[1.0], [None]], 0) == [1.0, None]


def test_parts_of_the_start_are_known_for_one_picture():
    live = {"curves": ["mix", "a"], "history": [[0.5, 4.0], [0.7, 5.0]]}
    assert start_scores([[0.5], [0.7]], 0, "mix", live) == {"mix": 0.5, "a": 4.0}
    assert start_scores([[0.5, 0.6], [0.7, 0.8]], 1, "mix", live) == {"mix": 0.6}
