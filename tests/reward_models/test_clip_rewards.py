import json

import pytest
import torch
import torch.nn.functional as F
from open_clip import tokenize
from open_clip.model import CLIP
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv
from transformers import CLIPConfig, CLIPModel

from reward_models import load_reward
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import (
    PROMPTS,
    SIZES,
    assert_parity,
    clip_normalised,
    pictures,
    processor_like_crop,
    torchvision_like_crop,
)

pytestmark = pytest.mark.numerical


def hps_like_pad(images, size):
    """ResizeMaxSize of HPS's open_clip fork."""
    height, width = images.shape[-2:]
    scale = size / float(max(height, width))
    if scale == 1.0:
        return images
    new_size = [round(dimension * scale) for dimension in (height, width)]
    images = tv.resize(images, new_size, InterpolationMode.BICUBIC, antialias=True)
    pad_h, pad_w = size - new_size[0], size - new_size[1]
    return tv.pad(images, [pad_w // 2, pad_h // 2, pad_w - pad_w // 2, pad_h - pad_h // 2], fill=0)


def cosine_reference(clip, prepare, scale=1.0):
    """Cosine of image and text features by the libraries' own encoders."""

    def score(images, prompts):
        pixels = clip_normalised(prepare(images, 42))
        tokens = tokenize(prompts)
        if isinstance(clip, CLIPModel):
            image = clip.get_image_features(pixels)
            text = clip.get_text_features(tokens)
            # transformers 5 returns the projected features as `pooler_output`.
            image, text = (getattr(features, "pooler_output", features) for features in (image, text))
        else:
            image, text = clip.encode_image(pixels), clip.encode_text(tokens)
        return scale * F.cosine_similarity(image, text.detach())

    return score


def huggingface_reference(weights):
    clip = CLIPModel(CLIPConfig(**small.CLIP_CONFIG)).eval()
    clip.load_state_dict(weights)
    return clip


def open_clip_reference(weights):
    clip = CLIP(**small.OPEN_CLIP_CONFIG).eval()
    clip.load_state_dict(weights)
    return clip


@pytest.mark.parametrize("size", SIZES)
def test_clip_score_matches_transformers(tmp_path, size):
    weights = small.huggingface_clip(tmp_path / "clip.safetensors")
    reference = cosine_reference(huggingface_reference(weights), torchvision_like_crop)
    assert_parity(load_reward(tmp_path / "clip.safetensors"), reference, pictures(2, *size), PROMPTS)


@pytest.mark.parametrize("size", SIZES)
def test_clip_score_matches_open_clip(tmp_path, size):
    weights = small.open_clip_file(tmp_path / "clip.pt")
    reference = cosine_reference(open_clip_reference(weights), torchvision_like_crop)
    assert_parity(load_reward(tmp_path / "clip.pt"), reference, pictures(2, *size), PROMPTS)


@pytest.mark.parametrize("size", [*SIZES, (42, 89)])
@pytest.mark.parametrize("file, name", [("PickScore_v1.safetensors", "PickScore"), ("ICT/pytorch_model.bin", "ICT")])
def test_pickscore_and_ict_match_their_formulas(tmp_path, size, file, name):
    """The same cosine of a crop by the transformers image processor; PickScore's is scaled."""
    weights = small.huggingface_clip(tmp_path / file)
    scale = weights["logit_scale"].exp() if name == "PickScore" else 1.0
    reference = cosine_reference(huggingface_reference(weights), processor_like_crop, scale)
    reward = load_reward(tmp_path / file)
    assert reward.name == name
    assert_parity(reward, reference, pictures(2, *size), PROMPTS)


@pytest.mark.parametrize("size", [*SIZES, (42, 35)])
@pytest.mark.parametrize("name", ["HPS_v2_compressed", "HPS_v2.1_compressed"])
def test_hps_matches_its_formula(tmp_path, size, name):
    weights = small.hps_file(tmp_path / f"{name}.pt")
    reward = load_reward(tmp_path / f"{name}.pt")
    assert reward.name == ("HPS v2.1" if "2.1" in name else "HPS v2")
    assert next(reward.parameters()).dtype == torch.float32
    height, width = size
    reference = cosine_reference(open_clip_reference(weights), hps_like_pad)
    if max(size) == 42:
        # The original leaves a picture unpadded whose longest edge already fits; every encoder then refuses
        # it.
        reference = cosine_reference(
            open_clip_reference(weights),
            lambda images, side: F.pad(
                images,
                [
                    (side - width) // 2,
                    side - width - (side - width) // 2,
                    (side - height) // 2,
                    side - height - (side - height) // 2,
                ],
            ),
        )
    assert_parity(reward, reference, pictures(2, *size), PROMPTS)


def test_openai_file_is_run_with_quick_gelu(tmp_path):
    config = small.OPEN_CLIP_CONFIG | {"quick_gelu": True}
    weights = small.open_clip_state(config)
    scalars = {
        "input_resolution": torch.tensor(42),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    torch.save(weights | scalars, tmp_path / "clip.pt")
    clip = CLIP(**config).eval()
    clip.load_state_dict(weights)
    towers = {name: config[name] for name in ("vision_cfg", "text_cfg")}
    (tmp_path / "clip.json").write_text(json.dumps(towers))
    reward = load_reward(tmp_path / "clip.pt")
    assert_parity(reward, cosine_reference(clip, torchvision_like_crop), pictures(), PROMPTS)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_activation_is_taken_from_the_configuration(tmp_path, activation):
    towers = {
        tower: small.CLIP_CONFIG[tower] | {"hidden_act": activation} for tower in ("text_config", "vision_config")
    }
    config = small.CLIP_CONFIG | towers
    weights = small.huggingface_clip(tmp_path / "clip.safetensors", config)
    clip = CLIPModel(CLIPConfig(**config)).eval()
    clip.load_state_dict(weights)
    reference = cosine_reference(clip, torchvision_like_crop)
    assert_parity(load_reward(tmp_path / "clip.safetensors"), reference, pictures(), PROMPTS)


def test_one_prompt_serves_all_images(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    reward = load_reward(tmp_path / "clip.safetensors")
    torch.testing.assert_close(reward(pictures(), PROMPTS[0]), reward(pictures(), [PROMPTS[0]] * 2))
