"""The demo world's image encoder: a CLIP as any other, and what its embeddings tell."""

import pytest
import torch
from safetensors.torch import load_file

from demo_world import asset_path
from demo_world.painter import paint
from demo_world.scene import plan
from demo_world.train.encoder import VISION, SceneTeller, paint_scenes, save_encoder
from demo_world.train.stage import draw_noise
from reward_models import load_image_encoder

pytestmark = pytest.mark.numerical


@pytest.fixture(scope="module")
def encoder():
    return load_image_encoder(asset_path("encoder"))


def test_it_loads_as_a_clip_and_is_as_large_as_the_card_says(encoder):
    assert encoder.embedding_size == VISION["projection_dim"] and encoder.image_size == VISION["image_size"]
    assert sum(tensor.numel() for tensor in load_file(asset_path("encoder")).values()) < 100_000


def test_embeddings_tell_the_scene_of_unseen_pictures(encoder):
    """A linear map from 400 pictures explains most of what it was trained to describe, on 200 others."""
    images, described = paint_scenes(987, 600)
    with torch.no_grad():
        e = torch.cat([encoder.embed_images(chunk.float() / 255) for chunk in images.split(100)])
    features = torch.cat([e - e[:400].mean(0), torch.ones(600, 1)], 1).double()
    for name, least in {"prompt": 0.9, "light": 0.5, "sun": 0.5, "stars": 0.4, "lit": 0.3}.items():
        target = described[name].double()
        ridge = 1e-3 * torch.eye(features.shape[1], dtype=torch.float64)
        known = features[:400]
        told = features[400:] @ torch.linalg.solve(known.T @ known + ridge, known.T @ target[:400])
        explained = 1 - (told - target[400:]).square().mean() / target[400:].var(0).mean()
        assert explained > least, name


def test_what_is_trained_is_what_is_loaded(tmp_path):
    """The preprocessing of training is that of a CLIP, and the file keeps every weight."""
    teller = SceneTeller({"prompt": 4}).eval()
    save_encoder(teller, tmp_path / "encoder.safetensors")
    images = paint(plan(*draw_noise(3, torch.Generator().manual_seed(1))))[0]
    teller.tower.half().float()
    with torch.no_grad():
        expected = teller.embed(images)
        torch.testing.assert_close(
            load_image_encoder(tmp_path / "encoder.safetensors").embed_images(images), expected, rtol=1e-4, atol=1e-4
        )
