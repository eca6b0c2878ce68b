import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from reward_models import ImageSimilarity, load_image_encoder
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import SIZES, assert_parity, clip_normalised, pictures, torchvision_like_crop


@pytest.mark.parametrize("size", SIZES)
def test_is_the_mean_cosine_of_clip_embeddings(tmp_path, size):
    weights = small.huggingface_clip(tmp_path / "clip.safetensors", vision_only=True)
    clip = CLIPModel(CLIPConfig(**small.CLIP_CONFIG)).eval()
    clip.load_state_dict(weights, strict=False)
    references = pictures(3, 50, 60, seed=7)

    def embed(images):
        pixels = clip_normalised(torchvision_like_crop(images, 42))
        return clip.visual_projection(clip.vision_model(pixels).pooler_output)

    def reference(images):
        with torch.no_grad():
            wanted = embed(references)
        return torch.nn.functional.cosine_similarity(embed(images)[:, None], wanted[None], dim=-1).mean(dim=1)

    reward = ImageSimilarity(load_image_encoder(tmp_path / "clip.safetensors"), references)
    assert_parity(reward, reference, pictures(2, *size))


@pytest.mark.parametrize("write", [small.huggingface_clip, small.open_clip_file, small.siglip])
def test_a_picture_is_most_similar_to_itself(tmp_path, write):
    write(tmp_path / "encoder.safetensors")
    images = pictures(3)
    reward = ImageSimilarity(load_image_encoder(tmp_path / "encoder.safetensors"), images[:1])
    scores = reward(images)
    assert float(scores[0]) == pytest.approx(1, abs=1e-5)
    assert scores.argmax() == 0


def test_reference_embedding_can_take_part_in_backward_when_made_under_inference_mode(tmp_path):
    small.siglip(tmp_path / "siglip.safetensors")
    with torch.inference_mode():
        reward = ImageSimilarity(load_image_encoder(tmp_path / "siglip.safetensors"), pictures(1))
    images = pictures().requires_grad_()
    reward(images).sum().backward()
    assert images.grad.abs().sum() > 0


def test_head_is_no_image_encoder(tmp_path):
    small.laion_head(tmp_path / "head.pth")
    with pytest.raises(ValueError, match=r"an image encoder \(CLIP or SigLIP\) is needed"):
        load_image_encoder(tmp_path / "head.pth")
