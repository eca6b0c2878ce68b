"""The table of ways to climb, on a subject that can be computed by hand."""

import json
from contextlib import nullcontext

import pytest

from benchmarks import climbs


class Squares:
    """The picture is the noise, the target wants it at 1."""

    latent_shape = (3, 4, 4)
    prompts = ("a", "b")
    held_out = {"held out": lambda images, prompts: images.mean((1, 2, 3))}
    judges = {"autoencoder": lambda images: images.square().mean((1, 2, 3))}

    def generate(self, noise, prompts):
        return noise

    def reward(self, images, prompts):
        return -(images - 1).square().mean((1, 2, 3))

    graph_context = nullcontext


def test_from_the_command_line_to_the_table(tmp_path, capsys):
    out = tmp_path / "climbs.json"
    climbs.main(["--noises", "2", "--steps", "2", "6", "--json", str(out)], Squares())
    results = json.loads(out.read_text())
    assert [(result["way"], result["steps"]) for result in results] == [
        (way.name, steps) for way in climbs.WAYS for steps in (2, 6)
    ]
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(results)
    for way, after_two, after_six in zip(climbs.WAYS, results[::2], results[1::2], strict=True):
        assert (after_two["seeds_gave"] > 0) == (way.seeds > 0) and after_six["ascent_added"] > 0
        if way.recipe.schedule == "constant":
            assert after_six["target"] >= after_two["target"]
        gained = after_six["seeds_gave"] + after_six["ascent_added"]
        first = after_six["target"] - gained
        assert first == pytest.approx(results[0]["target"] - results[0]["ascent_added"], abs=1e-5)
