"""Better noise without ComfyUI: one step of a FLUX in diffusers, a reward, the ascent, a noise file.

    python without_comfyui/better_noise.py
    python without_comfyui/better_noise.py --flux black-forest-labs/FLUX.1-schnell --prompt "a lighthouse at dusk" \
        --reward sac+logos+ava1-l14-linearMSE.pth --backbone clip-l14.safetensors

Without --flux the demo world that comes with the pack paints and judges: no download, a few seconds on a CPU.
Leaves before.png, after.png and noise.safetensors, which Load Noise reads, in the folder that --out names.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the pack is a folder, not an installed package

from demo_world import load_world
from optimization import Stopping, ascend
from preconditioning import RECIPES
from preconditioning.recipes import FLUX_LEARNING_RATE
from reward_models import load_reward
from runs.noise_format import write_noise
from runs.noise_history import NoiseHistory
from runs.run_result import RunResult

Generate = Callable[[Tensor], Tensor]


def flux_images(transformer, vae, prompt_embeds: Tensor, pooled_embeds: Tensor) -> Generate:
    """The map from noise (1, 16, h, w) to images (1, 3, 8h, 8w) in [0, 1]: one Euler step from sigma 1, and the VAE.

    Args:
        transformer: `FluxTransformer2DModel` of a model without guidance, such as FLUX.1-schnell.
        vae: `AutoencoderKL`.
        prompt_embeds: (1, T, C). pooled_embeds: (1, D).
    """
    config = vae.config

    def generate(noise: Tensor) -> Tensor:
        batch, channels, height, width = noise.shape
        rows, columns = height // 2, width // 2
        tokens = noise.reshape(batch, channels, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
        places = torch.cartesian_prod(torch.zeros(1), torch.arange(float(rows)), torch.arange(float(columns)))
        velocity = transformer(
            hidden_states=tokens.reshape(batch, rows * columns, 4 * channels).to(transformer.dtype),
            encoder_hidden_states=prompt_embeds,
            pooled_projections=pooled_embeds,
            timestep=torch.ones(batch, device=noise.device, dtype=transformer.dtype),
            img_ids=places.to(noise.device, transformer.dtype),
            txt_ids=torch.zeros(prompt_embeds.shape[1], 3, device=noise.device, dtype=transformer.dtype),
            return_dict=False,
        )[0].to(noise.dtype)
        velocity = velocity.reshape(batch, rows, columns, channels, 2, 2).permute(0, 3, 1, 4, 2, 5)
        denoised = noise - velocity.reshape(noise.shape)
        latent = denoised / config.scaling_factor + config.shift_factor
        return (vae.decode(latent.to(vae.dtype), return_dict=False)[0].float() / 2 + 0.5).clamp(0, 1)

    return generate


def load_flux(name: str, prompt: str, device: str) -> Generate:
    """`flux_images` of a diffusers folder or repository; what the backward pass needs is recomputed block by block."""
    from diffusers import FluxPipeline

    pipe = FluxPipeline.from_pretrained(name, torch_dtype=torch.bfloat16)
    with torch.no_grad():
        prompt_embeds, pooled_embeds, _ = pipe.encode_prompt(prompt, prompt_2=None)
    transformer, vae = (part.requires_grad_(False).to(device) for part in (pipe.transformer, pipe.vae))
    transformer.enable_gradient_checkpointing()
    vae.enable_gradient_checkpointing()
    transformer.train()  # which checkpointing asks for; nothing in it behaves differently
    vae.train()
    return flux_images(transformer, vae, prompt_embeds.to(device), pooled_embeds.to(device))


def save_image(path: Path, images: Tensor) -> None:
    """Write the first of images (B, 3, H, W) in [0, 1]."""
    from PIL import Image

    pixels = images[0].movedim(0, -1).mul(255).round().to(torch.uint8).cpu()
    Image.fromarray(pixels.contiguous().numpy()).save(path)


def main(arguments: list[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--flux", help="FLUX.1-schnell as a diffusers folder or repository; default: the demo world")
    parser.add_argument("--prompt", help="what to paint; default: the demo world's first scene")
    parser.add_argument("--reward", type=Path, help="a published reward file; needed with --flux")
    parser.add_argument("--backbone", type=Path, help="the image encoder that the reward file builds on, if any")
    parser.add_argument("--size", type=int, default=512, help="pixels per side with --flux, a multiple of 16")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("better_noise"))
    given = parser.parse_args(arguments)
    if given.flux and not (given.reward and given.prompt):
        parser.error("--flux needs a --prompt to paint and a --reward to judge the picture")
    if given.size < 16 or given.size % 16:
        parser.error(f"--size is {given.size}: use a multiple of 16")

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if given.flux:
        generate, shape = load_flux(given.flux, given.prompt, device), (16, given.size // 8, given.size // 8)
        model = load_reward(given.reward, backbone=given.backbone).to(device)

        def reward(images: Tensor) -> Tensor:
            return model(images, given.prompt)
    else:
        world = load_world(device)
        model = reward = world.reward
        shape = world.latent_shape
        scene = given.prompt or world.prompts[0]

        def generate(noise: Tensor) -> Tensor:
            return world.generate(noise, scene)

    start = torch.randn(1, *shape, generator=torch.Generator().manual_seed(given.seed)).to(device)
    record = ascend(
        start,
        generate,
        reward,
        **RECIPES["GPER"].arguments(FLUX_LEARNING_RATE),
        stopping=Stopping(steps=given.steps),
        callback=lambda step: print(f"step {step.index}: {float(step.rewards[0]):.4f}"),
    )

    given.out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        save_image(given.out / "before.png", generate(start))
        save_image(given.out / "after.png", generate(record.best_noise))
    history = NoiseHistory.of_run(
        RunResult(record, model.name, model.typical_range, start),
        model="Flux",
        reward_prompt=given.prompt if model.needs_prompt else "",
        method="GPER",
        step_size=FLUX_LEARNING_RATE,
    )
    write_noise(str(given.out / "noise.safetensors"), record.best_noise, given.seed, history, workflow={})
    print(f"{float(record.rewards[0][0]):.4f} at the start, {float(record.best_reward[0]):.4f} at best: {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
