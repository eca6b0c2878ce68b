"""SDXL-Turbo: a small model, and a reward that reads the prompt."""

from .flux_schnell import CHECKPOINT_LINKS, PROMPT, prompt, start_and_best
from .parts import Column, Node, Workflow, compared_links, euler, hub, note, optimizer_links, ours, seed
from .reward_files import hps

CHECKPOINT = hub("stabilityai/sdxl-turbo", "sd_xl_turbo_1.0_fp16.safetensors", "checkpoints")

NOTE_TEXT = """## SDXL-Turbo, one step, and a reward that reads
**HPS v2.1** scores how well people would like the picture *for its prompt*: the same prompt stands in the Noise
Optimizer. The sampler is *euler*: ancestral ones add noise of their own, which nobody optimized.

**Files** (the page offers what is missing):
- models/checkpoints: sd_xl_turbo_1.0_fp16.safetensors
- models/reward_models: HPS_v2.1_compressed.pt

A black picture is the SDXL VAE in 16 bit: start ComfyUI with --fp32-vae."""

SDXL_TURBO = Workflow(
    columns=[
        Column(
            420,
            [
                note(NOTE_TEXT, 240),
                euler(),
                seed(),
                Node("latent", "EmptyLatentImage", {"width": 512, "height": 512, "batch_size": 1}),
                prompt(),
                Node("checkpoint", "CheckpointLoaderSimple", {"ckpt_name": CHECKPOINT["name"]}, models=[CHECKPOINT]),
                hps("reward"),
            ],
        ),
        Column(
            300,
            [
                Node("guider", "BasicGuider"),
                Node("schedule", "SDTurboScheduler", {"steps": 1, "denoise": 1.0}),
            ],
            top=630,
        ),
        Column(400, [ours("optimizer", "NoiseOptimizer", {"prompt": PROMPT})], top=580),
        *start_and_best(60, 310, 310),
    ],
    links=[
        *CHECKPOINT_LINKS,
        *optimizer_links(),
        *compared_links(),
        ("optimizer.report", "report.source"),
    ],
    numbered="note checkpoint prompt latent seed guider schedule reward "
    "optimizer euler sampler_start decode_start sampler_best decode_best report compare save_best",
)
