"""A small Krea 2, whose latents are one frame of a video: (B, 16, 1, h, w)."""

from pathlib import Path

import comfy.supported_models
import pytest
import torch
from diffusers import Krea2Transformer2DModel
from diffusers.loaders.single_file_utils import convert_krea2_transformer_checkpoint_to_diffusers

from .tiny_family import (
    Family,
    flow_rollout,
    image_ids,
    load_diffusion_model,
    patches,
    random_tensor,
    random_weights,
    unpatched,
)
from .tiny_wan_vae import wan_vae

WIDTH, FEED_FORWARD, TEXT_LAYERS, TEXT_WIDTH, TEXT_HEADS, TEXT_FEED_FORWARD, LAYERS = 128, 384, 3, 80, 20, 256, 2
SIDE = 8


def krea2(folder: Path) -> Family:
    if not hasattr(comfy.supported_models, "Krea2"):
        pytest.skip("this ComfyUI does not know Krea 2 yet; 0.26 and newer do")
    weights = random_weights(published_layout(), seed=0)
    reference = Krea2Transformer2DModel(
        num_layers=LAYERS,
        num_attention_heads=1,
        num_key_value_heads=1,
        intermediate_size=FEED_FORWARD,
        text_hidden_dim=TEXT_WIDTH,
        num_text_layers=TEXT_LAYERS,
        text_intermediate_size=TEXT_FEED_FORWARD,
    ).requires_grad_(False)
    reference.load_state_dict(convert_krea2_transformer_checkpoint_to_diffusers(dict(weights)))
    context = random_tensor(1, 6, TEXT_LAYERS * TEXT_WIDTH, seed=3)
    positions = torch.cat([torch.zeros(6, 3), image_ids(SIDE // 2, SIDE // 2)])

    def velocity(x, sigma):
        batch = x.shape[0]
        tokens = reference(
            hidden_states=patches(x.squeeze(2)),
            encoder_hidden_states=context.clone().repeat(batch, 1, 1).unflatten(2, (TEXT_LAYERS, TEXT_WIDTH)),
            timestep=torch.full((batch,), sigma),
            position_ids=positions,
        ).sample
        return unpatched(tokens, 16, SIDE, SIDE).unsqueeze(2)

    vae, picture = wan_vae(folder)
    return Family(
        stock=load_diffusion_model(weights, folder / "krea2.safetensors"),
        vae=vae,
        noise=random_tensor(2, 16, 1, SIDE, SIDE, seed=5),
        condition=[[context, {"pooled_output": None}]],
        sigmas=[1.0, 0.0],
        reference_rollout=flow_rollout(velocity),
        reference_picture=picture,
    )


def published_layout() -> dict[str, tuple[int, ...]]:
    """Names and shapes as in the published files."""
    linear = {
        "first": (WIDTH, 64),
        "tmlp.0": (WIDTH, 256),
        "tmlp.2": (WIDTH, WIDTH),
        "tproj.1": (6 * WIDTH, WIDTH),
        "txtmlp.1": (WIDTH, TEXT_WIDTH),
        "txtmlp.3": (WIDTH, WIDTH),
        "last.linear": (64, WIDTH),
    }
    shapes = {
        "txtmlp.0.scale": (TEXT_WIDTH,),
        "txtfusion.projector.weight": (1, TEXT_LAYERS),
        "last.norm.scale": (WIDTH,),
        "last.modulation.lin": (2, WIDTH),
    }
    for name, shape in linear.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    for i in range(LAYERS):
        shapes |= _block(f"blocks.{i}", WIDTH, WIDTH, FEED_FORWARD)
        shapes[f"blocks.{i}.mod.lin"] = (6 * WIDTH,)
    for part in ("layerwise_blocks", "refiner_blocks"):
        for i in range(2):
            shapes |= _block(f"txtfusion.{part}.{i}", TEXT_WIDTH, TEXT_WIDTH // TEXT_HEADS, TEXT_FEED_FORWARD)
    return shapes


def _block(name: str, width: int, head: int, feed_forward: int) -> dict[str, tuple[int, ...]]:
    shapes = {f"{name}.attn.{part}.weight": (width, width) for part in ("wq", "wk", "wv", "wo", "gate")}
    shapes |= {f"{name}.attn.qknorm.{part}.scale": (head,) for part in ("qnorm", "knorm")}
    shapes |= {f"{name}.{part}.scale": (width,) for part in ("prenorm", "postnorm")}
    shapes |= {f"{name}.mlp.{part}.weight": (feed_forward, width) for part in ("gate", "up")}
    return shapes | {f"{name}.mlp.down.weight": (width, feed_forward)}
