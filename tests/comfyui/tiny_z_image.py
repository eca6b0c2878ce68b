"""A small Z-Image-Turbo: Lumina 2's network with Z-Image's modulation and padding."""

from pathlib import Path

import comfy.supported_models
import torch
from diffusers import ZImageTransformer2DModel
from diffusers.loaders.single_file_utils import convert_z_image_transformer_checkpoint_to_diffusers
from diffusers.models.transformers.transformer_z_image import TimestepEmbedder

from . import tiny_models
from .tiny_family import Family, flow_rollout, load_diffusion_model, random_tensor, random_weights, recognised

WIDTH, HEADS, TEXT, LAYERS, REFINERS, FEED_FORWARD = 384, 3, 48, 2, 2, 1024


class SmallZImage(comfy.supported_models.ZImage):
    """Detection knows Z-Image by its width, 3840: two billion parameters at one block of each kind."""

    unet_config = {"image_model": "lumina2", "dim": WIDTH}

    def __init__(self, unet_config):
        published = {
            "n_heads": HEADS,
            "n_kv_heads": HEADS,
            "axes_dims": [32, 48, 48],
            "axes_lens": [1536, 512, 512],
            "rope_theta": 256.0,
            "ffn_dim_multiplier": 8.0 / 3.0,
            "z_image_modulation": True,
            "time_scale": 1000.0,
            "pad_tokens_multiple": 32,
        }
        super().__init__({**unet_config, **published})


def turbo(folder: Path) -> Family:
    weights = random_weights(published_layout(), seed=0)
    reference = ZImageTransformer2DModel(
        dim=WIDTH,
        n_heads=HEADS,
        n_kv_heads=HEADS,
        n_layers=LAYERS,
        n_refiner_layers=REFINERS,
        cap_feat_dim=TEXT,
    ).requires_grad_(False)
    reference.t_embedder = TimestepEmbedder(256, mid_size=WIDTH)
    reference.load_state_dict(convert_z_image_transformer_checkpoint_to_diffusers(dict(weights)))
    context = random_tensor(1, 6, TEXT, seed=3)

    def velocity(x, sigma):
        time = torch.full((x.shape[0],), 1 - sigma)
        frames = list(x.unsqueeze(2).unbind(0))
        return -torch.stack(reference(frames, time, [context[0].clone()] * len(x)).sample).squeeze(2)

    vae = tiny_models.taesd(folder, smooth=True)
    with recognised(SmallZImage):
        stock = load_diffusion_model(weights, folder / "z_image.safetensors")
    return Family(
        stock=stock,
        vae=vae.stock,
        noise=random_tensor(2, 16, 8, 8, seed=5),
        condition=[[context, {"pooled_output": None}]],
        sigmas=[1.0, 0.0],
        reference_rollout=flow_rollout(velocity),
        reference_picture=lambda latent: tiny_models.reference_picture(vae.reference, latent),
    )


def published_layout() -> dict[str, tuple[int, ...]]:
    """Names and shapes as in the published files."""
    linear = {
        "x_embedder": (WIDTH, 64),
        "cap_embedder.1": (WIDTH, TEXT),
        "t_embedder.mlp.0": (WIDTH, 256),
        "t_embedder.mlp.2": (256, WIDTH),
        "final_layer.linear": (64, WIDTH),
        "final_layer.adaLN_modulation.1": (WIDTH, 256),
    }
    shapes = {"cap_embedder.0.weight": (TEXT,), "x_pad_token": (1, WIDTH), "cap_pad_token": (1, WIDTH)}
    blocks = [f"{part}.{i}" for part in ("noise_refiner", "context_refiner") for i in range(REFINERS)]
    for block in [*blocks, *(f"layers.{i}" for i in range(LAYERS))]:
        if not block.startswith("context_refiner"):
            linear[f"{block}.adaLN_modulation.0"] = (4 * WIDTH, 256)
        shapes[f"{block}.attention.qkv.weight"] = (3 * WIDTH, WIDTH)
        shapes[f"{block}.attention.out.weight"] = (WIDTH, WIDTH)
        shapes[f"{block}.feed_forward.w1.weight"] = (FEED_FORWARD, WIDTH)
        shapes[f"{block}.feed_forward.w2.weight"] = (WIDTH, FEED_FORWARD)
        shapes[f"{block}.feed_forward.w3.weight"] = (FEED_FORWARD, WIDTH)
        for norm in ("q_norm", "k_norm"):
            shapes[f"{block}.attention.{norm}.weight"] = (WIDTH // HEADS,)
        for norm in ("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"):
            shapes[f"{block}.{norm}.weight"] = (WIDTH,)
    for name, shape in linear.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return shapes
