"""What the Noise Optimizer refuses: before any long work where it can be told, else by what is wrong."""

import math

import pytest
import torch


class NanNoise:
    seed = 0

    def generate_noise(self, latent):
        return torch.full_like(latent["samples"], math.nan)


def text_reward():
    from gper_pack.nodes.rewards.reward_handle import RewardHandle
    from gper_pack.reward_models import RewardModel

    class ReadsText(RewardModel):
        name, needs_prompt = "text score", True

    return RewardHandle(ReadsText())


class FourScores(torch.nn.Module):
    name, needs_prompt, typical_range = "four", False, (0, 1)

    def forward(self, images, prompts=None):
        return images.mean((2, 3))


def wrong_shape():
    from gper_pack.nodes.rewards.reward_handle import RewardHandle

    return RewardHandle(FourScores())


def four_channel_vae():
    import comfy.sd
    from diffusers import AutoencoderTiny

    tiny = AutoencoderTiny(latent_channels=4)
    weights = {}
    for part, offset in (("encoder", 0), ("decoder", 1)):
        for key, value in getattr(tiny, part).state_dict().items():
            _, index, rest = key.split(".", 2)
            weights[f"taesd_{part}.{int(index) + offset}.{rest}"] = value
    return comfy.sd.VAE(sd=weights)


@pytest.mark.parametrize(
    "changes, message",
    [
        (lambda: dict(steps=0), "steps is 0"),
        (lambda: dict(learning_rate=math.nan), "learning_rate is nan"),
        (lambda: dict(learning_rate=-0.1), "learning_rate is -0.1"),
        (lambda: dict(time_budget=math.nan), "time budget is nan"),
        (lambda: dict(sigmas=torch.tensor([1.0])), r"sigmas holds 1 value"),
        (lambda: dict(sigmas=torch.tensor([])), r"sigmas holds 0 value"),
        (lambda: dict(sigmas=torch.linspace(1, 0, 21)), "sigmas has 20 steps"),
        (lambda: dict(sigmas=torch.tensor([0.0, 0.0])), "must fall to 0"),
        (lambda: dict(sigmas=torch.tensor([1.0, 0.5])), "must fall to 0"),
        (lambda: dict(sigmas=torch.tensor([1.0, 0.0, 0.0])), "must fall to 0"),
        (lambda: dict(noise=NanNoise()), "noise holds values that are not finite"),
        (lambda: dict(latent_image={"samples": torch.zeros(1, 16, 1, 8, 8)}), "that of a video"),
        (lambda: dict(latent_image={"samples": torch.zeros(16, 8, 8)}), "a batch of pictures has batch, channels"),
        (lambda: dict(latent_image={"samples": torch.ones(1, 4, 8, 8)}), "4 channels, but the model works with 16"),
        (lambda: dict(vae=four_channel_vae()), "decodes 4 latent channels"),
        (lambda: dict(reward=text_reward()), "fill in the Noise Optimizer's prompt"),
    ],
)
def test_refused_before_the_model_is_loaded(optimize, wires, monkeypatch, changes, message):
    changed = changes()

    def must_not_load(*args, **kwargs):
        raise AssertionError("a model was loaded first")

    import comfy.model_management

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", must_not_load)
    with pytest.raises(ValueError, match=message) as error:
        optimize(**changed)
    assert "\n" not in str(error.value)


def test_a_cache_of_earlier_steps_is_refused(optimize, wires, tiny):
    from comfy_extras.nodes_easycache import EasyCacheNode
    from gper_pack.nodes.inputs.methods import METHODS

    patched = EasyCacheNode.execute(wires["guider"].model_patcher, 0.2, 0.15, 0.95, False).args[0]
    for method in (None, METHODS["best of seeds"]):
        with pytest.raises(ValueError, match="EasyCache"):
            optimize(guider=tiny.guider(patched), method=method)


def test_a_model_split_over_gpus_is_refused(optimize, wires, tiny):
    patched = wires["guider"].model_patcher.clone()
    patched.set_additional_models("multigpu", [wires["guider"].model_patcher])
    with pytest.raises(ValueError, match="MultiGPU CFG Split"):
        optimize(guider=tiny.guider(patched))


def test_attention_without_a_backward_is_refused_where_it_cannot_be_replaced(optimize, monkeypatch):
    import comfy.ldm.modules.attention
    from gper_pack.nodes.differentiable import model_presets

    def attention_sage(*args, **kwargs):
        raise AssertionError("no model may get here")

    monkeypatch.setattr(comfy.ldm.modules.attention, "optimized_attention", attention_sage)
    optimize()
    monkeypatch.setattr(model_presets, "PRESETS", ())
    with pytest.raises(ValueError, match="--use-sage-attention"):
        optimize()


def test_an_operation_without_a_backward_is_named(optimize, wires, monkeypatch):
    @torch.library.custom_op("gper_test::forward_only", mutates_args=())
    def forward_only(x: torch.Tensor) -> torch.Tensor:
        return x * 1

    block = wires["guider"].model_patcher.model.diffusion_model.final_layer
    monkeypatch.setattr(block, "forward", lambda *args, forward=block.forward, **kw: forward_only(forward(*args, **kw)))
    with pytest.raises(ValueError, match="no gradients.*forward_only.*best of seeds"):
        optimize()


def test_a_compiled_model_is_refused_unless_no_gradient_is_wanted(optimize, wires, monkeypatch):
    monkeypatch.setitem(
        wires["guider"].model_patcher.object_patches, "diffusion_model.img_in", torch.compile(torch.nn.Identity())
    )
    with pytest.raises(ValueError, match="torch.compile"):
        optimize()


def test_a_reward_of_the_wrong_shape(optimize):
    with pytest.raises(ValueError, match=r"one score per image, shape \(2,\)"):
        optimize(reward=wrong_shape())


def test_a_search_may_take_many_sampling_steps(optimize):
    from gper_pack.nodes.inputs.methods import METHODS

    assert "best of seeds" in optimize(sigmas=torch.linspace(1, 0, 13), method=METHODS["best of seeds"]).args[2]
