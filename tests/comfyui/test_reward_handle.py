"""A reward is loaded and unloaded as a whole: its layers are not ComfyUI's, which could live on two devices."""

import pytest
import torch


class SomeReward(torch.nn.Module):
    """Layers, and a parameter and a buffer beside them, as the towers of CLIP have."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(*[torch.nn.Linear(64, 64) for _ in range(6)])
        self.positions = torch.nn.Parameter(torch.zeros(64))
        self.register_buffer("mean", torch.zeros(64))


@pytest.fixture
def loaded(pack):
    """A reward as ComfyUI keeps account of it; the graphics card is a device without memory."""
    import comfy.model_management as management
    from gper_pack.nodes.rewards.reward_handle import RewardHandle

    (patcher,) = RewardHandle.managed(SomeReward()).patchers
    patcher.load_device, patcher.offload_device = torch.device("meta"), torch.device("cpu")
    yield management.LoadedModel(patcher)  # which does not own the patcher


def devices(loaded):
    model = loaded.model.model
    return {tensor.device.type for tensor in (*model.parameters(), *model.buffers())}


@pytest.mark.parametrize("share", [0.0001, 0.5, 2])
def test_it_is_loaded_as_a_whole(loaded, share):
    loaded.model_load(share * loaded.model_memory())
    assert devices(loaded) == {"meta"}
    assert loaded.model_loaded_memory() == loaded.model_memory()


def test_it_is_unloaded_as_a_whole(loaded):
    loaded.device = loaded.model.load_device = torch.device("cpu")
    loaded.model.offload_device = torch.device("meta")
    loaded.model_load()
    assert loaded.model_unload(0.3 * loaded.model_memory())
    assert devices(loaded) == {"meta"}
