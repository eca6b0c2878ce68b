"""FLUX.2 klein: a model of four steps."""

from .flux_schnell import PROMPT
from .parts import (
    Column,
    Node,
    Workflow,
    before_and_after,
    compared_links,
    euler,
    hub,
    note,
    optimizer_links,
    ours,
    sampler,
    save,
    seed,
    text,
)
from .reward_files import aesthetic

DIFFUSION = hub("Comfy-Org/flux2-klein", "split_files/diffusion_models/flux-2-klein-4b.safetensors", "diffusion_models",
                "flux-2-klein-4b.safetensors")  # fmt: skip
TEXT = hub("Comfy-Org/flux2-klein", "split_files/text_encoders/qwen_3_4b.safetensors", "text_encoders",
           "qwen_3_4b.safetensors")  # fmt: skip
VAE = hub("Comfy-Org/flux2-dev", "split_files/vae/flux2-vae.safetensors", "vae", "flux2-vae.safetensors")
SIZE = {"width": 768, "height": 768}

NOTE_TEXT = """## FLUX.2 klein 4B, four steps
The gradient goes back through all four sampling steps, so each step of the optimizer costs four times what it costs on
a one-step model. *steps* 2 in *Flux2Scheduler* halves that; use the same schedule in both samplers.

**Files** (the page offers what is missing):
- models/diffusion_models: flux-2-klein-4b.safetensors
- models/text_encoders: qwen_3_4b.safetensors
- models/vae: flux2-vae.safetensors
- models/reward_models: sac+logos+ava1-l14-linearMSE.pth and clip-vit-large-patch14.safetensors
  (OpenAI's model.safetensors: rename it so if your browser saved it)"""

FLUX2_KLEIN = Workflow(
    columns=[
        Column(
            440,
            [
                note(NOTE_TEXT, 290),
                seed(),
                Node("schedule", "Flux2Scheduler", {"steps": 4, **SIZE}),
                Node("diffusion", "UNETLoader", {"unet_name": DIFFUSION["name"]}, models=[DIFFUSION]),
                Node("text", "CLIPLoader", {"clip_name": TEXT["name"], "type": "flux2"}, models=[TEXT]),
            ],
        ),
        Column(
            340,
            [
                Node("guider", "BasicGuider"),
                aesthetic(),
                Node("latent", "EmptyFlux2LatentImage", {**SIZE, "batch_size": 1}),
                Node("prompt", "CLIPTextEncode", {"text": PROMPT}, 140),
            ],
            top=680,
        ),
        Column(400, [euler(), ours("optimizer", "NoiseOptimizer")], top=460),
        Column(
            360,
            [
                sampler("sampler_start", "Sample the start noise"),
                sampler("sampler_best", "Sample the best noise"),
                Node("vae", "VAELoader", {"vae_name": VAE["name"]}, models=[VAE]),
                text("report", "Report", 220),
            ],
            top=400,
        ),
        Column(220, [Node("decode_start", "VAEDecode"), Node("decode_best", "VAEDecode")], top=460),
        Column(460, [before_and_after(), save("save_best", "optimized", "Optimized", 480)], top=370),
    ],
    links=[
        ("text.CLIP", "prompt.clip"),
        ("diffusion.MODEL", "guider.model"),
        ("prompt.CONDITIONING", "guider.conditioning"),
        *optimizer_links(vae="vae.VAE"),
        *compared_links("vae.VAE"),
        ("optimizer.report", "report.source"),
    ],
    numbered="note diffusion text vae prompt latent schedule seed guider "
    "reward optimizer euler sampler_start decode_start sampler_best decode_best report compare save_best",
)
