"""What a run left, as its report, its sheet and the history of its noise read it."""

import json
from dataclasses import replace

import pytest
import torch
from gper_pack.optimization.record import Best
from gper_pack.preconditioning.strength import NO_LIMIT
from gper_pack.runs import noise_history
from gper_pack.runs.noise_history import NoiseHistory

from .finished_runs import NAN, finished, plain_seeds
from .noises import noise

REWARDS = [[1.0, NAN], [3.0, NAN], [2.0, NAN]]
BEAUTY = [[0.0, 10.0], [1.0, 11.0], [2.0, NAN]]


def test_curves_are_means_of_what_is_finite():
    assert finished(REWARDS, {"beauty": BEAUTY}).curves == {"mix": [1.0, 3.0, 2.0], "beauty": [5.0, 6.0, 2.0]}
    assert finished([[NAN, NAN], [1.0, 2.0]]).curves == {"mix": [None, 1.5]}


def test_scores_are_those_of_each_pictures_own_best_noise():
    assert finished(REWARDS, {"beauty": BEAUTY}).best_scores == {"mix": [3.0, None], "beauty": [1.0, 10.0]}
    late = finished([[0.0, 5.0], [0.0, 4.0], [1.0, 3.0]], {"beauty": [[0.0, 1.0], [0.0, 1.0], [NAN, 1.0]]})
    assert late.best_scores == {"mix": [1.0, 5.0], "beauty": [None, 1.0]}


def test_the_history_of_a_noise():
    result = finished(REWARDS, {"beauty": BEAUTY})
    history = NoiseHistory.of_run(result, model="Flux", method="GPER", step_size=0.1, seeds=[4, 5])
    assert history.reward == "mix" and history.scores == result.best_scores
    assert history.best_steps == [1, 0] and history.steps == 2 and history.stop_reason == "all 2 steps done"
    assert (history.model, history.method, history.step_size, history.seeds) == ("Flux", "GPER", 0.1, [4, 5])
    assert json.loads(history.header()["scores"]) == history.scores
    assert NoiseHistory.from_header(history.header()) == history


def test_the_history_tells_the_seed_that_the_steps_began_with():
    """Steps are counted from there, and the curve begins there."""
    seeds, steps = [[1.0, 2.0], [3.0, NAN]], [[3.0, 2.0], [4.0, 1.0], [3.5, 1.0]]
    result = finished(seeds + steps, {"beauty": [[float(k), 0.0] for k in range(5)]}, seeds=2)
    assert result.curves == {"mix": [2.5, 2.5, 2.25], "beauty": [1.0, 1.5, 2.0]}
    assert result.best_scores == {"mix": [4.0, 2.0], "beauty": [3.0, 0.0]}
    history = NoiseHistory.of_run(result, start_seeds=[8, 7], strength=0.2)
    assert (history.best_steps, history.steps, history.start_scores) == ([1, 0], 2, [3.0, 2.0])
    assert NoiseHistory.from_header(history.header()) == history
    assert "started from seed: 8, 7 (mix: 3.0000, 2.0000)\nstrength: 0.2\n" in history.text()
    ended = finished(seeds, seeds=5)
    assert ended.curves == {"mix": [1.5, 3.0]} and NoiseHistory.of_run(ended).best_steps == [0, 0]
    plain = NoiseHistory.of_run(finished(REWARDS))
    assert plain.start_scores == [] and "seed" not in plain.text() and "strength" not in plain.text()
    assert plain.strength == noise_history.NO_LIMIT == NO_LIMIT


def test_the_history_tells_scores_as_numbers_of_seeds():
    """Of what is known: nothing of a score that is not finite, nor of a reward of which no seeds were scored."""
    plain = plain_seeds(mix=[0.4 * k for k in range(10)])
    history = NoiseHistory.of_run(finished(REWARDS, {"beauty": BEAUTY}, plain=plain))
    (known, unknown) = history.seed_equivalents["mix"]
    assert known.seeds == 10 and unknown is None and list(history.seed_equivalents) == ["mix"]
    read = NoiseHistory.from_header(history.header())
    assert read == history and "mix: 3.0000, not finite (as good as the best of 3 (" in read.text()
    old = {name: value for name, value in history.header().items() if name != "seed_equivalents"}
    assert NoiseHistory.from_header(old) == replace(history, seed_equivalents={})


def test_a_result_can_go_back_and_the_run_stays():
    result = finished([[1.0, 1.0], [3.0, 3.0]], {"beauty": [[5.0, 5.0], [6.0, 6.0]]})
    before = result.gone_back(Best(noise(), torch.tensor([1.0, 3.0]), torch.tensor([0, 1])))
    assert before.best_scores == {"mix": [1.0, 3.0], "beauty": [5.0, 6.0]}
    assert result.best_scores == {"mix": [3.0, 3.0], "beauty": [6.0, 6.0]}


@pytest.mark.parametrize("how, said", [(["a"], "variation: a;"), (["a", "b"], "variation: a, then b;")])
def test_a_variation_names_every_walk(how, said):
    history = NoiseHistory.of_run(finished(REWARDS))
    for walk in how:
        history = history.varied(walk)
    assert history.text().startswith(said) and "mix: 3.0000, not finite" in history.text()
