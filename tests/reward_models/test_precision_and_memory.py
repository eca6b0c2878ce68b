"""Properties every loaded reward shares: bfloat16, recomputing, moves from outside, frozen weights."""

import pytest
import torch
import transformers

from reward_models import load_reward
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import PROMPTS, pictures, score_and_gradient

pytestmark = pytest.mark.numerical


def write_clip(folder, wide=False):
    small.huggingface_clip(folder / "clip.safetensors", clip_config(wide))
    return {"path": folder / "clip.safetensors"}


def write_pickscore(folder, wide=False):
    small.huggingface_clip(folder / "PickScore.safetensors", clip_config(wide))
    return {"path": folder / "PickScore.safetensors"}


def write_hps(folder, wide=False):
    small.hps_file(folder / "HPS_v2.1_compressed.pt", open_clip_config(wide))
    return {"path": folder / "HPS_v2.1_compressed.pt"}


def write_image_reward(folder, wide=False):
    small.image_reward(folder / "ImageReward.pt", *((192, 192) if wide else ()))
    return {"path": folder / "ImageReward.pt"}


def write_cycle_reward(folder, wide=False):
    small.cycle_reward(folder / "CycleReward-Combo.pth", *((192, 192) if wide else ()))
    return {"path": folder / "CycleReward-Combo.pth"}


def write_hp(folder, wide=False):
    config = clip_config(wide) | {"projection_dim": 1024}
    small.huggingface_clip(folder / "hp_backbone.bin", config)
    small.head(folder / "head.pth", "layers.", (0, 2, 4, 6, 7), 1024)
    return {"path": folder / "head.pth", "backbone": folder / "hp_backbone.bin"}


def write_laion(folder, wide=False):
    config = open_clip_config(wide)
    small.open_clip_file(folder / "clip.pt", config)
    small.laion_head(folder / "head.pth", config["embed_dim"])
    return {"path": folder / "head.pth", "backbone": folder / "clip.pt"}


def write_aesthetic_v25(folder, wide=False):
    small.aesthetic_v25_head(folder / "head.pth")
    small.siglip(folder / "siglip.safetensors")
    return {"path": folder / "head.pth", "backbone": folder / "siglip.safetensors"}


def clip_config(wide):
    return small.wider(small.CLIP_CONFIG) if wide else small.CLIP_CONFIG


def open_clip_config(wide):
    return small.wider(small.OPEN_CLIP_CONFIG) if wide else small.OPEN_CLIP_CONFIG


def skip_unless_float64_prompts(write):
    """The causal mask of transformers 4 cannot be made in float64, which only tests use."""
    if write in (write_clip, write_pickscore) and int(transformers.__version__.split(".")[0]) < 5:
        pytest.skip("transformers 4 cannot encode prompts in float64")


WRITERS = [
    write_clip,
    write_pickscore,
    write_hps,
    write_image_reward,
    write_cycle_reward,
    write_hp,
    write_laion,
    write_aesthetic_v25,
]
every_reward = pytest.mark.parametrize("write", WRITERS)


def saved_bytes(function):
    """Bytes autograd keeps for backward that are not weights."""
    kept = {}

    def keep(tensor):
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = function()
    return result, sum(kept.values())


@every_reward
def test_bfloat16_scores_stay_within_a_hundredth_of_the_usual_range(tmp_path, write):
    files = write(tmp_path, wide=True)
    exact, half = load_reward(**files), load_reward(**files, dtype=torch.bfloat16)
    assert next(half.parameters()).dtype == torch.bfloat16
    scores, gradient = score_and_gradient(exact, pictures(4), PROMPTS * 2)
    half_scores, half_gradient = score_and_gradient(half, pictures(4), PROMPTS * 2)
    low, high = exact.typical_range
    assert half_scores.dtype == torch.float32
    assert (half_scores - scores).abs().max() <= 0.01 * (high - low)
    cosine = torch.nn.functional.cosine_similarity(gradient.flatten(1), half_gradient.flatten(1))
    assert cosine.min() > 0.98


@every_reward
def test_recomputing_layers_changes_memory_but_neither_score_nor_gradient(tmp_path, write):
    files = write(tmp_path)
    plain, recomputing = load_reward(**files), load_reward(**files, recompute=True)
    images = pictures().requires_grad_()
    scores, kept = saved_bytes(lambda: plain(images, PROMPTS))
    recomputed_scores, kept_recomputing = saved_bytes(lambda: recomputing(images, PROMPTS))
    assert torch.equal(scores, recomputed_scores)
    expected, gradient = (torch.autograd.grad(s.sum(), images)[0] for s in (scores, recomputed_scores))
    assert torch.equal(expected, gradient)
    assert kept_recomputing < 0.7 * kept


@every_reward
def test_moves_from_outside_are_followed(tmp_path, write):
    skip_unless_float64_prompts(write)
    reward = load_reward(**write(tmp_path))
    before = score_and_gradient(reward, pictures(), PROMPTS)
    reward.to(torch.bfloat16)
    rounded = reward(pictures(), PROMPTS)
    reward.to(torch.float64)
    widened = reward(pictures().double(), PROMPTS)
    assert widened.dtype == torch.float64
    # Weights rounded once to bfloat16, then computed exactly.
    assert (rounded - widened).abs().max() <= 0.05 * (reward.typical_range[1] - reward.typical_range[0])
    assert not torch.equal(before[0].double(), widened)


@every_reward
def test_no_gradient_reaches_the_weights(tmp_path, write):
    reward = load_reward(**write(tmp_path))
    images = pictures().requires_grad_()
    reward(images, PROMPTS).sum().backward()
    assert images.grad.flatten(1).norm(dim=1).min() > 0
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in reward.parameters())


@every_reward
def test_gradient_agrees_with_finite_differences(tmp_path, write):
    skip_unless_float64_prompts(write)
    reward = load_reward(**write(tmp_path), dtype=torch.float64)
    images = pictures(2, 46, 58).double()
    _, gradient = score_and_gradient(reward, images, PROMPTS)
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = 1e-5 * direction
    slope = (reward(images + step, PROMPTS) - reward(images - step, PROMPTS)) / 2e-5
    torch.testing.assert_close((gradient * direction).sum(dim=(1, 2, 3)), slope, rtol=1e-4, atol=1e-7)


@every_reward
def test_images_and_prompts_of_a_batch_do_not_mix(tmp_path, write):
    reward = load_reward(**write(tmp_path))
    images = pictures(2)
    alone = [reward(image[None], prompt) for image, prompt in zip(images, PROMPTS, strict=True)]
    torch.testing.assert_close(reward(images, PROMPTS), torch.cat(alone), rtol=1e-4, atol=1e-5)


@every_reward
def test_half_precision_is_refused(tmp_path, write):
    files = write(tmp_path)
    with pytest.raises(ValueError, match="cannot run in float16"):
        load_reward(**files, dtype=torch.float16)
    with pytest.raises(ValueError, match="cannot run in float16"):
        load_reward(**files).half()(pictures(), PROMPTS)


@every_reward
def test_a_reward_loaded_under_inference_mode_can_be_differentiated(tmp_path, write):
    with torch.inference_mode():
        reward = load_reward(**write(tmp_path))
    _, gradient = score_and_gradient(reward, pictures(), PROMPTS)
    assert gradient.abs().sum() > 0


@every_reward
def test_a_state_dict_counts_every_weight_once(tmp_path, write):
    reward = load_reward(**write(tmp_path))
    stored = [tensor.data_ptr() for tensor in reward.state_dict().values()]
    assert len(stored) == len(set(stored))
