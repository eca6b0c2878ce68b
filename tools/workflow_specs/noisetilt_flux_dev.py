"""FLUX.1-dev: a model of many steps, steered towards a reward while it paints."""

from .flux_schnell import PROMPT, empty_latent, prompt
from .parts import Column, Node, Workflow, hub, note, ours, sampler, save, schedule, seed, stock_sampler, tilt_links
from .reward_files import aesthetic

CHECKPOINT = hub("Comfy-Org/flux1-dev", "flux1-dev-fp8.safetensors", "checkpoints")
STEPS = 25

NOTE_TEXT = """## FLUX.1-dev, 25 steps, steered while it paints
The **NoiseTilt Sampler** is *euler_ancestral* whose noise leans towards the LAION aesthetic score at every step. The
plain sampler paints from the same seed, to compare.

**Files** (the page offers what is missing):
- models/checkpoints: flux1-dev-fp8.safetensors
- models/reward_models: sac+logos+ava1-l14-linearMSE.pth and clip-vit-large-patch14.safetensors
  (OpenAI's model.safetensors: rename it so if your browser saved it)

**Knobs:** *strength* 0.001 to begin with, then by factors of 3. Faster: *every_nth* 2 or 3, or a smaller *end_percent*.
Out of memory: *memory* = recompute, a TAESD (taef1) as the sampler's VAE, or *gradient* = decoder only.
Steps with a gradient take about three times as long as plain ones."""

NOISETILT_FLUX_DEV = Workflow(
    columns=[
        Column(
            420,
            [
                note(NOTE_TEXT, 330),
                Node("checkpoint", "CheckpointLoaderSimple", {"ckpt_name": CHECKPOINT["name"]}, models=[CHECKPOINT]),
                aesthetic(),
            ],
        ),
        Column(340, [Node("guidance", "FluxGuidance", {"guidance": 3.5}), prompt(PROMPT), schedule(STEPS)]),
        Column(
            400,
            [
                stock_sampler("euler_ancestral"),
                seed(),
                Node("guider", "BasicGuider"),
                empty_latent(1024),
                ours("tilt", "NoiseTiltSampler", {"strength": 0.001}),
            ],
        ),
        Column(
            300,
            [sampler("sampler_plain", "Sample as usual"), sampler("sampler_tilted", "Sample with tilted noise")],
            top=150,
        ),
        Column(220, [Node("decode_plain", "VAEDecode"), Node("decode_tilted", "VAEDecode")], top=600),
        Column(
            460,
            [save("save_plain", "plain", "As usual", 480), save("save_tilted", "tilted", "Tilted", 480)],
            top=200,
        ),
    ],
    links=[
        ("checkpoint.CLIP", "prompt.clip"),
        ("prompt.CONDITIONING", "guidance.conditioning"),
        ("checkpoint.MODEL", "guider.model"),
        ("guidance.CONDITIONING", "guider.conditioning"),
        ("checkpoint.MODEL", "schedule.model"),
        *tilt_links(),
    ],
)
