"""The table of prompts may have more tokens than a prompt needs."""

import copy

import pytest
import torch

from demo_world.generator import Generator

pytestmark = pytest.mark.numerical


def test_more_context_is_used_kept_and_read_back(world, fresh, tmp_path):
    noise, prompt, _ = fresh
    generator = copy.deepcopy(world.generator)
    before = generator(noise[:2], prompt[:2])
    generator.add_context(3, torch.Generator().manual_seed(0))
    context, tokens = generator.conditions.context, world.generator.conditions.context.shape[1]
    assert context.shape[1] == tokens + 3
    assert torch.equal(context[:, :tokens], world.generator.conditions.context)
    assert (context[1:, tokens:] == context[:1, tokens:]).all()
    after = generator(noise[:2], prompt[:2])
    assert (after - before).abs().max() > 0.01
    generator.save(tmp_path / "transformer", tmp_path / "conditions", torch.float32)
    again = Generator()
    state = torch.get_rng_state()
    again.load(tmp_path / "transformer", tmp_path / "conditions")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(again(noise[:2], prompt[:2]), after)
