"""FLUX.1-schnell: a better picture from a real model."""

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
    schedule,
    seed,
    text,
)
from .reward_files import aesthetic

PROMPT = "a fox reading a newspaper in a cafe, morning light"
CHECKPOINT = hub("Comfy-Org/flux1-schnell", "flux1-schnell-fp8.safetensors", "checkpoints")

NOTE_TEXT = """## FLUX.1-schnell, one step, better noise
The best of 16 seeds climbs 30 steps against the LAION aesthetic score; then the stock sampler paints with its noise.

**Files** (the page offers what is missing):
- models/checkpoints: flux1-schnell-fp8.safetensors
- models/reward_models: sac+logos+ava1-l14-linearMSE.pth and clip-vit-large-patch14.safetensors
  (OpenAI's model.safetensors: rename it so if your browser saved it)

**Knobs:** *effort* *quick* shows a change, *thorough* climbs on, *plain* is the published method. *strength* 0.1 keeps
more of the seed's picture, 0.2 less. *learning_rate* 0 takes what suits the model.
Out of memory: *memory* = recompute, a smaller picture, or a TAESD (taef1) as the optimizer's VAE."""


def checkpoint() -> Node:
    return Node("checkpoint", "CheckpointLoaderSimple", {"ckpt_name": CHECKPOINT["name"]}, models=[CHECKPOINT])


def prompt(text: str = PROMPT) -> Node:
    return Node("prompt", "CLIPTextEncode", {"text": text}, 140)


def empty_latent(size: int) -> Node:
    return Node("latent", "EmptySD3LatentImage", {"width": size, "height": size, "batch_size": 1})


def start_and_best(samplers: int, decoded: int, shown: int) -> list[Column]:
    """Sampling with the start noise and with the best one, and what comes of it; the columns' tops."""
    return [
        Column(
            280,
            [sampler("sampler_start", "Sample the start noise"), sampler("sampler_best", "Sample the best noise")],
            samplers,
        ),
        Column(
            360,
            [Node("decode_start", "VAEDecode"), Node("decode_best", "VAEDecode"), text("report", "Report", 220)],
            decoded,
        ),
        Column(460, [before_and_after(), save("save_best", "optimized", "Optimized", 480)], shown),
    ]


CHECKPOINT_LINKS = [
    ("checkpoint.CLIP", "prompt.clip"),
    ("checkpoint.MODEL", "guider.model"),
    ("prompt.CONDITIONING", "guider.conditioning"),
    ("checkpoint.MODEL", "schedule.model"),
]

FLUX_SCHNELL = Workflow(
    columns=[
        Column(420, [note(NOTE_TEXT, 290), euler(), seed(), empty_latent(1024), prompt(), checkpoint(), aesthetic()]),
        Column(300, [Node("guider", "BasicGuider"), schedule()], top=680),
        Column(400, [ours("optimizer", "NoiseOptimizer")], top=630),
        *start_and_best(110, 360, 360),
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
