"""SDXL: a model of many steps and two prompts, steered towards a reward that reads."""

from .flux_schnell import PROMPT, prompt
from .parts import Column, Node, Workflow, hub, note, ours, sampler, save, seed, stock_sampler, tilt_links
from .reward_files import hps

CHECKPOINT = hub("stabilityai/stable-diffusion-xl-base-1.0", "sd_xl_base_1.0.safetensors", "checkpoints")
STEPS = 25

NOTE_TEXT = """## SDXL, 25 steps, steered by a reward that reads
**HPS v2.1** scores at every step how well people would like the picture *for its prompt*: the same prompt stands in the
**NoiseTilt Sampler**, which is *euler_ancestral* with noise that leans towards the score. The plain sampler paints from
the same seed, to compare.

**Files** (the page offers what is missing):
- models/checkpoints: sd_xl_base_1.0.safetensors
- models/reward_models: HPS_v2.1_compressed.pt

**Knobs:** *strength* 0.001 to begin with, then by factors of 3. Faster: *every_nth* 2 or 3, or a smaller *end_percent*.
Out of memory: *memory* = recompute, a TAESD (taesdxl) as the sampler's VAE, or *gradient* = decoder only.
A black picture is the SDXL VAE in 16 bit: start ComfyUI with --fp32-vae."""

NOISETILT_SDXL = Workflow(
    columns=[
        Column(
            420,
            [
                note(NOTE_TEXT, 330),
                stock_sampler("euler_ancestral"),
                Node("checkpoint", "CheckpointLoaderSimple", {"ckpt_name": CHECKPOINT["name"]}, models=[CHECKPOINT]),
                Node("latent", "EmptyLatentImage", {"width": 1024, "height": 1024, "batch_size": 1}),
                hps("reward"),
            ],
        ),
        Column(
            340,
            [
                prompt(PROMPT),
                Node("negative", "CLIPTextEncode", {"text": "blurry, low quality"}, 100, "What to avoid"),
            ],
        ),
        Column(
            300,
            [
                seed(),
                Node("guider", "CFGGuider", {"cfg": 5.0}),
                Node("schedule", "BasicScheduler", {"scheduler": "normal", "steps": STEPS, "denoise": 1.0}),
            ],
        ),
        Column(
            400,
            [
                sampler("sampler_plain", "Sample as usual"),
                sampler("sampler_tilted", "Sample with tilted noise"),
                ours("tilt", "NoiseTiltSampler", {"strength": 0.001, "prompt": PROMPT}),
            ],
            top=200,
        ),
        Column(220, [Node("decode_plain", "VAEDecode"), Node("decode_tilted", "VAEDecode")], top=350),
        Column(460, [save("save_plain", "plain", "As usual", 480), save("save_tilted", "tilted", "Tilted", 480)]),
    ],
    links=[
        ("checkpoint.CLIP", "prompt.clip"),
        ("checkpoint.CLIP", "negative.clip"),
        ("checkpoint.MODEL", "guider.model"),
        ("prompt.CONDITIONING", "guider.positive"),
        ("negative.CONDITIONING", "guider.negative"),
        ("checkpoint.MODEL", "schedule.model"),
        *tilt_links(),
    ],
)
