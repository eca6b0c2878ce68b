import pytest
import torch

from demo_world import load_world
from demo_world.scene import PROMPTS


@pytest.fixture(scope="session")
def world():
    pytest.importorskip("diffusers")
    return load_world()


@pytest.fixture(scope="session")
def fresh():
    """40 noises that no training drew (training seeds are below 10**8), with their prompts by index and name."""
    generator = torch.Generator().manual_seed(987_654_321)
    noise = torch.randn(40, 16, 8, 8, generator=generator)
    index = torch.arange(40) % len(PROMPTS)
    return noise, index, [PROMPTS[i] for i in index.tolist()]
