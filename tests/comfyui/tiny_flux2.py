"""A small FLUX.2 klein: 128 latent channels at a sixteenth of the picture's size, and its VAE."""

from pathlib import Path

import comfy.sd
import comfy.utils
import torch
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file

from .tiny_family import Family, flow_rollout, image_ids, load_diffusion_model, random_tensor, random_weights

WIDTH, TEXT, DOUBLE, SINGLE = 128, 48, 1, 2
SIDE = 2
TOKENS = 512  # ComfyUI pads shorter texts to this length


def klein(folder: Path) -> Family:
    weights = random_weights(published_layout(), seed=0)
    reference = Flux2Transformer2DModel(
        in_channels=128,
        num_layers=DOUBLE,
        num_single_layers=SINGLE,
        num_attention_heads=1,
        joint_attention_dim=TEXT,
        guidance_embeds=False,
    ).requires_grad_(False)
    reference.load_state_dict(convert_flux2_transformer_checkpoint_to_diffusers(dict(weights)))
    context = random_tensor(1, TOKENS, TEXT, seed=3)
    text_ids = torch.zeros(TOKENS, 4)
    text_ids[:, 3] = torch.arange(TOKENS)

    def velocity(x, sigma):
        batch = x.shape[0]
        tokens = reference(
            hidden_states=x.flatten(2).movedim(1, 2),
            encoder_hidden_states=context.clone().repeat(batch, 1, 1),
            timestep=torch.full((batch,), sigma),
            img_ids=image_ids(SIDE, SIDE, axes=4),
            txt_ids=text_ids,
        ).sample
        return tokens.movedim(1, 2).reshape(x.shape)

    autoencoder = _autoencoder()
    path = folder / "flux2_vae.safetensors"
    save_file(autoencoder.state_dict(), path)
    with torch.inference_mode():
        vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(path)))

    def picture(latent):
        mean, var = autoencoder.bn.running_mean, autoencoder.bn.running_var
        latent = latent * torch.sqrt(var + 1e-4)[:, None, None] + mean[:, None, None]
        unpacked = torch.nn.functional.pixel_shuffle(latent, 2)
        return ((autoencoder.decode(unpacked).sample + 1) / 2).clamp(0, 1)

    return Family(
        stock=load_diffusion_model(weights, folder / "flux2.safetensors"),
        vae=vae,
        noise=random_tensor(2, 128, SIDE, SIDE, seed=5),
        condition=[[context, {"pooled_output": None}]],
        sigmas=[1.0, 0.0],
        reference_rollout=flow_rollout(velocity),
        reference_picture=picture,
    )


def published_layout() -> dict[str, tuple[int, ...]]:
    """Names and shapes as in the published files; there are no biases."""
    shapes = {
        "img_in.weight": (WIDTH, 128),
        "txt_in.weight": (WIDTH, TEXT),
        "time_in.in_layer.weight": (WIDTH, 256),
        "time_in.out_layer.weight": (WIDTH, WIDTH),
        "double_stream_modulation_img.lin.weight": (6 * WIDTH, WIDTH),
        "double_stream_modulation_txt.lin.weight": (6 * WIDTH, WIDTH),
        "single_stream_modulation.lin.weight": (3 * WIDTH, WIDTH),
        "final_layer.adaLN_modulation.1.weight": (2 * WIDTH, WIDTH),
        "final_layer.linear.weight": (128, WIDTH),
    }
    for i in range(DOUBLE):
        for stream in ("img", "txt"):
            block = f"double_blocks.{i}.{stream}"
            shapes[f"{block}_attn.qkv.weight"] = (3 * WIDTH, WIDTH)
            shapes[f"{block}_attn.proj.weight"] = (WIDTH, WIDTH)
            shapes[f"{block}_attn.norm.query_norm.scale"] = (128,)
            shapes[f"{block}_attn.norm.key_norm.scale"] = (128,)
            shapes[f"{block}_mlp.0.weight"] = (6 * WIDTH, WIDTH)
            shapes[f"{block}_mlp.2.weight"] = (WIDTH, 3 * WIDTH)
    for i in range(SINGLE):
        block = f"single_blocks.{i}"
        shapes[f"{block}.linear1.weight"] = (9 * WIDTH, WIDTH)
        shapes[f"{block}.linear2.weight"] = (WIDTH, 4 * WIDTH)
        shapes[f"{block}.norm.query_norm.scale"] = (128,)
        shapes[f"{block}.norm.key_norm.scale"] = (128,)
    return shapes


def _autoencoder() -> AutoencoderKLFlux2:
    """At the published size, which ComfyUI's loader takes for granted, with statistics that matter."""
    torch.manual_seed(1)
    autoencoder = AutoencoderKLFlux2().requires_grad_(False).eval()
    autoencoder.decoder.conv_out.weight *= 0.2  # inside the range that is not clipped
    autoencoder.bn.running_mean.normal_(std=0.1)
    autoencoder.bn.running_var.uniform_(0.5, 2)
    return autoencoder
