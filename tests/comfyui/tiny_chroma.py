"""A small Chroma: FLUX's blocks, modulated by a network of their own instead of by pooled text."""

from pathlib import Path

import comfy.supported_models
import torch
from diffusers import ChromaTransformer2DModel
from diffusers.models.transformers.transformer_chroma import ChromaCombinedTimestepTextProjEmbeddings
from torch import Tensor

from . import tiny_models
from .tiny_family import (
    Family,
    flow_rollout,
    image_ids,
    load_diffusion_model,
    patches,
    random_tensor,
    recognised,
    unpatched,
)

WIDTH, TEXT, HIDDEN, LAYERS, DOUBLE, SINGLE = 128, 48, 64, 2, 1, 2
MODULATIONS = 344  # of the published depth; ComfyUI computes as many at every depth


class SmallChroma(comfy.supported_models.Chroma):
    """Detection assumes the published sizes of the modulation network, 260 million parameters."""

    def __init__(self, unet_config):
        super().__init__({**unet_config, "out_dim": WIDTH, "hidden_dim": HIDDEN, "n_layers": LAYERS})


def chroma(folder: Path) -> Family:
    torch.manual_seed(0)
    reference = ChromaTransformer2DModel(
        num_layers=DOUBLE,
        num_single_layers=SINGLE,
        num_attention_heads=1,
        joint_attention_dim=TEXT,
        approximator_hidden_dim=HIDDEN,
        approximator_layers=LAYERS,
    ).requires_grad_(False)
    for parameter in reference.parameters():
        parameter += 0.05 * torch.randn_like(parameter)
    reference.time_text_embed = ChromaCombinedTimestepTextProjEmbeddings(num_channels=16, out_dim=MODULATIONS)
    context = random_tensor(1, 6, TEXT, seed=3)

    def velocity(x, sigma):
        batch = x.shape[0]
        tokens = reference(
            hidden_states=patches(x),
            encoder_hidden_states=context.clone().repeat(batch, 1, 1),
            timestep=torch.full((batch,), sigma),
            img_ids=image_ids(4, 4),
            txt_ids=torch.zeros(6, 3),
        ).sample
        return unpatched(tokens, 16, 8, 8)

    vae = tiny_models.taesd(folder, smooth=True)
    with recognised(SmallChroma):
        stock = load_diffusion_model(published_layout(reference.state_dict()), folder / "chroma.safetensors")
    return Family(
        stock=stock,
        vae=vae.stock,
        noise=random_tensor(2, 16, 8, 8, seed=5),
        condition=[[context, {"pooled_output": None}]],
        sigmas=[1.0, 0.0],
        reference_rollout=flow_rollout(velocity),
        reference_picture=lambda latent: tiny_models.reference_picture(vae.reference, latent),
    )


RENAMED = (
    ("single_transformer_blocks.", "single_blocks."),
    ("transformer_blocks.", "double_blocks."),
    ("attn.to_out.0.", "img_attn.proj."),
    ("attn.to_add_out.", "txt_attn.proj."),
    ("attn.norm_added_q.weight", "txt_attn.norm.query_norm.scale"),
    ("attn.norm_added_k.weight", "txt_attn.norm.key_norm.scale"),
    ("ff_context.net.0.proj.", "txt_mlp.0."),
    ("ff_context.net.2.", "txt_mlp.2."),
    ("ff.net.0.proj.", "img_mlp.0."),
    ("ff.net.2.", "img_mlp.2."),
    (".linear_1.", ".in_layer."),
    (".linear_2.", ".out_layer."),
    ("x_embedder.", "img_in."),
    ("context_embedder.", "txt_in."),
)


def published_layout(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """diffusers' names to those of the published files: queries, keys, values and, in single blocks, MLP are one."""
    fused: dict[str, list[Tensor]] = {}
    for name, value in sorted(weights.items(), key=lambda item: "proj_mlp" in item[0]):
        fused.setdefault(_published_name(name), []).append(value)
    return {name: torch.cat(values) for name, values in fused.items()}


def _published_name(name: str) -> str:
    block, single = name.partition(".attn.")[0], name.startswith("single_")
    if ".attn.to_q" in name or ".attn.to_k" in name or ".attn.to_v" in name or "proj_mlp." in name:
        name = f"{'.'.join(name.split('.')[:2])}.{'linear1' if single else 'img_attn.qkv'}.{name.rsplit('.', 1)[1]}"
    elif ".attn.add_" in name:
        name = f"{block}.txt_attn.qkv.{name.rsplit('.', 1)[1]}"
    elif name.startswith("proj_out."):
        name = "final_layer.linear." + name.rsplit(".", 1)[1]
    elif single:
        name = name.replace("proj_out.", "linear2.")
    norms = ("norm.query_norm.scale", "norm.key_norm.scale")
    for part, norm in zip(("attn.norm_q.weight", "attn.norm_k.weight"), norms, strict=True):
        name = name.replace(part, norm if single else f"img_attn.{norm}")
    if name.startswith("distilled_guidance_layer.norms."):
        name = name.replace(".weight", ".scale")
    for old, new in RENAMED:
        name = name.replace(old, new)
    return name
