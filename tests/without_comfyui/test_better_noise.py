"""The example is run as its reader would run it, and its FLUX step is the pipeline's."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from demo_world import load_world
from runs.noise_format import read_noise

SCRIPT = Path(__file__).resolve().parents[2] / "without_comfyui" / "better_noise.py"


def run(folder, *arguments):
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_in_the_demo_world(tmp_path):
    done = run(tmp_path, "--steps", 5, "--seed", 3)
    assert done.returncode == 0, done.stderr
    saved = read_noise(tmp_path / "better_noise" / "noise.safetensors")
    noise, history = saved.noise, saved.history
    world = load_world()
    start = torch.randn(1, *world.latent_shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        before, after = (float(world.reward(world.generate(x, world.prompts[0]))) for x in (start, noise))
    assert after > before
    assert saved.seed == 3 and history.steps == 5 and history.method == "GPER"
    assert history.scores == {world.reward.name: [pytest.approx(after, abs=1e-5)]}
    assert f"{before:.4f} at the start, {after:.4f} at best" in done.stdout
    sizes = [Image.open(tmp_path / "better_noise" / name).size for name in ("before.png", "after.png")]
    assert sizes == [(64, 64), (64, 64)]


@pytest.mark.parametrize(
    "arguments, message",
    [(["--flux", "x"], "--flux needs a --prompt"), (["--size", "100"], "use a multiple of 16")],
)
def test_what_is_missing_is_said_before_anything_is_loaded(tmp_path, arguments, message):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2 and message in done.stderr


def test_the_step_of_flux_is_that_of_the_pipeline():
    import importlib.util

    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    spec = importlib.util.spec_from_file_location("better_noise", SCRIPT)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)

    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=False,
        axes_dims_rope=(4, 6, 6),
    ).requires_grad_(False)
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=16,
        norm_num_groups=4,
        scaling_factor=0.36,
        shift_factor=0.11,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).requires_grad_(False)
    noise, text, pooled = torch.randn(1, 16, 8, 12), torch.randn(1, 7, 32), torch.randn(1, 32)
    pipe = FluxPipeline(FlowMatchEulerDiscreteScheduler(shift=1.0), vae, None, None, None, None, transformer)
    expected = pipe(
        prompt_embeds=text,
        pooled_prompt_embeds=pooled,
        latents=pipe._pack_latents(noise, 1, 16, 8, 12),
        height=64,
        width=96,
        num_inference_steps=1,
        output_type="pt",
    ).images
    images = example.flux_images(transformer, vae, text, pooled)(noise)
    assert images.shape == (1, 3, 64, 96)
    assert torch.allclose(images, expected, atol=1e-5)
