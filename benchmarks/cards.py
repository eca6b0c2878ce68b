"""What *auto* does with FLUX.1 on graphics cards of several sizes, by the estimates it goes by; no card is needed.

    COMFYUI_PATH=... python -m benchmarks.cards [--json FILE]

The plan of the Noise Optimizer is asked with a FLUX.1 without numbers in its weights, the full VAE and CLIP L/14 as the
reward, in bfloat16, for one picture in one sampling step. Of the card's memory 1 GiB is taken to be in use.
"""

import logging
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from tools import comfyui_in_process, random_models

from .flux_scale import geometry as flux
from .memory_tables import CARDS, SIDES, card_table
from .shared import GIB, command_line, write_json

WEIGHTS = {"fp8": torch.float8_e4m3fn, "16 bit": torch.bfloat16}
CPU, META = torch.device("cpu"), torch.device("meta")


def patcher(model: torch.nn.Module):
    import comfy.model_patcher

    return comfy.model_patcher.ModelPatcher(model, load_device=CPU, offload_device=CPU)


def diffusion_model(weight_dtype: torch.dtype):
    """FLUX.1-schnell in ComfyUI, on the meta device."""
    import comfy.supported_models

    full = flux.GEOMETRIES["full"]
    config = comfy.supported_models.FluxSchnell({
        "image_model": "flux", "in_channels": flux.LATENT_CHANNELS, "out_channels": flux.LATENT_CHANNELS,
        "patch_size": 2, "vec_in_dim": full.pooled_width, "context_in_dim": full.text_width,
        "hidden_size": 128 * full.heads, "num_heads": full.heads, "mlp_ratio": 4.0, "depth": full.double_blocks,
        "depth_single_blocks": full.single_blocks, "axes_dim": [16, 56, 56], "txt_ids_dims": [], "theta": 10000,
        "qkv_bias": True, "guidance_embed": False,
    })  # fmt: skip
    config.set_inference_dtype(weight_dtype, torch.bfloat16)
    return patcher(config.get_model({}, device=META))


def full_vae():
    import comfy.sd

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vae.safetensors"
        random_models.save(random_models.autoencoder(CPU, torch.bfloat16), path)
        vae = comfy.sd.VAE(sd=load_file(path))
    vae.vae_dtype = torch.bfloat16
    vae.first_stage_model.to(torch.bfloat16)
    return vae


def on_card(model, vae, reward, side: int, gib: int) -> dict:
    """What the plan chooses, the GiB it reckons with, and how many of the weights do not fit beside them."""
    import comfy.model_management as management
    from gper_pack.nodes.differentiable.backward_plan import BackwardPlan

    free = (gib - 1) * GIB
    management.get_free_memory = lambda *_, **__: free
    shape = (1, flux.LATENT_CHANNELS, side // 8, side // 8)
    plan = BackwardPlan("auto", model, vae, [reward], [], shape, {"positive": [{}]}, 1)
    weights = sum(part.model_size() for part in (model, vae.patcher, reward))
    needed = plan.memory_required + management.extra_reserved_memory()
    return {
        "generator": plan.chosen.generator,
        "decoder": plan.chosen.decoder,
        "gib": plan.memory_required / GIB,
        "offloaded_gib": min(model.model_size(), max(0.0, weights + needed - free)) / GIB,
        "fits": needed + weights - model.model_size() < free,  # only the model is loaded in part
    }


def main() -> None:
    parser = command_line("cards", __doc__)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    comfyui_in_process.start_for(parser)
    import comfy.model_management as management

    management.pytorch_attention_flash_attention = lambda: True  # as on a graphics card
    management.current_loaded_models.clear()
    vae = full_vae()
    reward = patcher(flux.reward(flux.GEOMETRIES["full"], META, torch.bfloat16))
    models = {name: diffusion_model(dtype) for name, dtype in WEIGHTS.items()}
    rows = [{"weights": name, "card_gib": gib, "side": side, **on_card(model, vae, reward, side, gib)}
            for name, model in models.items() for gib in CARDS for side in SIDES]
    print(card_table(rows))
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
