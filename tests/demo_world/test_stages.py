"""The stages that make the assets, planned with no steps: what starts from what, and what is written where."""

import dataclasses

import pytest
import torch

from demo_world import load_flow
from demo_world.decoder import Decoder
from demo_world.generator import CONTEXT_TOKENS, Generator
from demo_world.train import __main__ as stages
from demo_world.world import FILES

pytestmark = pytest.mark.numerical
NETWORKS = ("DECODER", "GENERATOR", "POLISH", "GENERATOR_SIZES", "DECODER_SIZES", "GENERATOR_LARGE")
NETWORKS += ("DECODER_SMALL_THINGS", "FLOW")


@pytest.fixture
def assets(monkeypatch, tmp_path):
    pytest.importorskip("diffusers")
    for name in NETWORKS:
        monkeypatch.setattr(stages, name, dataclasses.replace(getattr(stages, name), steps=0))
    make_all_sizes(tmp_path)
    return tmp_path


def make_all_sizes(assets):
    stages.generator_large(assets, assets)
    stages.decoder_small_things(assets, assets)


def written(assets):
    return {path.name: path.read_bytes() for path in assets.glob("*.safetensors")}


def test_stages_of_all_sizes_run_again_from_the_same_start(assets):
    first = written(assets)
    make_all_sizes(assets)
    assert written(assets) == first
    generator = Generator().load(assets / FILES["generator"], assets / FILES["conditions"])
    assert generator.conditions.context.shape[1] == CONTEXT_TOKENS + stages.LANDMARKS
    start = stages.generator(assets, assets).conditions.context
    assert torch.equal(generator.conditions.context[:, :CONTEXT_TOKENS], start)
    decoder, start = Decoder().load(assets / FILES["decoder"]), stages.decoder(assets, assets)
    for made, expected in zip(decoder.parameters(), start.parameters(), strict=True):
        assert torch.equal(made, expected.half().float())


def test_the_model_of_many_steps_keeps_the_prompts_it_learned(assets):
    first = written(assets)
    stages.flow(assets, assets)
    table = load_flow(assets).conditions
    assert torch.equal(table.context, stages.generator(assets, assets).conditions.context)
    assert {name: written(assets)[name] for name in first} == first
    files = {name: written(assets)[FILES[name]] for name in ("flow", "flow_conditions")}
    make_all_sizes(assets)
    assert {name: written(assets)[FILES[name]] for name in files} == files
