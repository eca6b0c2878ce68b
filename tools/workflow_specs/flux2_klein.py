"""FLUX.2 klein: a model of four steps."""

from .flux_schnell import PROMPT, start_and_best
from .parts import Column, Node, Workflow, compared_links, hub, note, optimizer_links, ours, seed
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
                Node("diffusion", "UNETLoader", {"unet_name": DIFFUSION["name"]}, models=[DIFFUSION]),
                Node("text", "CLIPLoader", {"clip_name": TEXT["name"], "type": "flux2"}, models=[TEXT]),
                Node("vae", "VAELoader", {"vae_name": VAE["name"]}, models=[VAE]),
                Node("prompt", "CLIPTextEncode", {"text": PROMPT}, 140),
            ],
        ),
        Column(
            400,
            [
                Node("latent", "EmptyFlux2LatentImage", {**SIZE, "batch_size": 1}),
                Node("schedule", "Flux2Scheduler", {"steps": 4, **SIZE}),
                seed(),
                Node("guider", "BasicGuider"),
                aesthetic(),
                ours("optimizer", "NoiseOptimizer", {"steps": 40}),
            ],
        ),
        *start_and_best(),
    ],
    links=[
        ("text.CLIP", "prompt.clip"),
        ("diffusion.MODEL", "guider.model"),
        ("prompt.CONDITIONING", "guider.conditioning"),
        *optimizer_links(vae="vae.VAE"),
        *compared_links("vae.VAE"),
        ("optimizer.report", "report.source"),
    ],
)
