"""Image to image: better noise for a picture that is already there."""

from .flux_schnell import CHECKPOINT_LINKS, checkpoint, prompt, start_and_best
from .parts import Column, Node, Workflow, compared_links, euler, note, optimizer_links, ours, schedule, seed
from .reward_files import aesthetic

NOTE_TEXT = """## Image to image with optimized noise
The picture is encoded and only partly noised again: of three steps the schedule takes the last two (*denoise* 0.6),
so the picture's composition stays. The optimizer gets the **same latent and schedule** as the sampler, so it looks for
the noise that repaints *this* picture best. A noise mask on the latent (*Set Latent Noise Mask*) limits it to a part.

*denoise* 0.4 keeps more of the picture, 1 nothing; with few steps it works in jumps. *steps* of the schedule: each
costs as much as the first.

**Files** (the page offers what is missing):
- models/checkpoints: flux1-schnell-fp8.safetensors
- models/reward_models: sac+logos+ava1-l14-linearMSE.pth and clip-vit-large-patch14.safetensors
  (OpenAI's model.safetensors: rename it so if your browser saved it)
- input: example.png comes with ComfyUI; choose a picture of yours"""

IMAGE_TO_IMAGE = Workflow(
    columns=[
        Column(
            440,
            [
                note(NOTE_TEXT, 310),
                seed(),
                prompt("a watercolour painting, soft light, fine paper"),
                checkpoint(),
                Node("picture", "LoadImage", {"image": "example.png"}, 380),
            ],
        ),
        Column(
            300,
            [
                Node("guider", "BasicGuider"),
                schedule(steps=2, denoise=0.6),
                aesthetic(),
                Node(
                    "resize",
                    "ImageScale",
                    {"upscale_method": "lanczos", "width": 768, "height": 768, "crop": "center"},
                ),
            ],
            top=620,
        ),
        Column(
            400,
            [euler(), ours("optimizer", "NoiseOptimizer"), Node("encode", "VAEEncode")],
            top=410,
        ),
        *start_and_best(340, 400, 400),
    ],
    links=[
        *CHECKPOINT_LINKS,
        ("picture.IMAGE", "resize.image"),
        ("resize.IMAGE", "encode.pixels"),
        ("checkpoint.VAE", "encode.vae"),
        *optimizer_links(latent="encode.LATENT"),
        *compared_links(latent="encode.LATENT"),
        ("optimizer.report", "report.source"),
    ],
    scale=0.6,
    numbered="note checkpoint prompt seed picture resize encode guider schedule "
    "reward optimizer euler sampler_start decode_start sampler_best decode_best report compare save_best",
)
