"""What the pack's workflows consist of."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Node:
    """A node: `key` names it in links, `models` are the files that the frontend may offer to download."""

    key: str
    type: str
    position: tuple[int, int]
    widgets: dict = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    title: str = ""
    models: list[dict] = field(default_factory=list)
    colour: tuple[str, str] | None = None


@dataclass
class Workflow:
    """Nodes and links "key.output" -> "key.input"; scale and offset of the canvas on opening."""

    nodes: list[Node]
    links: list[tuple[str, str]]
    scale: float = 0.8
    offset: tuple[int, int] = (40, 60)


NOTE = ("#432", "#653")
OURS = ("#223", "#335")


def hub(repository: str, file: str, folder: str, name: str = "") -> dict:
    return {
        "name": name or file,
        "url": f"https://huggingface.co/{repository}/resolve/main/{file}",
        "directory": folder,
    }


DEMO_NOTE = """## Start here
Press **Run**. A tiny FLUX that comes with the pack paints four landscapes from noise; the **Noise Optimizer**
improves that noise, step by step, until the pictures please a learned taste.

- **above:** the pictures of the start noise
- **below:** the pictures of the optimized noise, from the stock sampler

Try: *scene*, another seed, more *steps*. Then switch both boxes of the **White-Gaussian Projector** off and set
*learning_rate* to 0.1: the reward climbs even higher, and the pictures break. That is what the projector prevents."""

FLUX_NOTE = """## FLUX.1-schnell, one step, better noise
The noise is optimized for 60 steps against the LAION aesthetic score; then the stock sampler paints with it.

**Files** (the page offers what is missing):
- models/checkpoints: flux1-schnell-fp8.safetensors
- models/reward_models: sac+logos+ava1-l14-linearMSE.pth and clip-vit-large-patch14.safetensors

**Knobs:** *steps* 20 shows a change, 60 is good, 200 is the paper's. *learning_rate* 0.02 suits FLUX.
Out of memory: *memory* = recompute, a smaller picture, or a TAESD (taef1) as the optimizer's VAE.

On NVIDIA cards start ComfyUI with --disable-dynamic-vram."""


def demo() -> Workflow:
    return Workflow(
        nodes=[
            Node("note", "MarkdownNote", (0, 0), {"text": DEMO_NOTE}, (380, 330), "Start here", colour=NOTE),
            Node("world", "GPER_DemoWorld", (0, 400), {"scene": "day"}, (380, 150), colour=OURS),
            Node("latent", "EmptyLatentImage", (0, 610), {"width": 64, "height": 64, "batch_size": 4}, (380, 110)),
            Node("seed", "RandomNoise", (0, 780), {"noise_seed": 7, "control_after_generate": "fixed"}, (380, 90)),
            Node("guider", "BasicGuider", (430, 0), size=(300, 50)),
            Node(
                "schedule",
                "BasicScheduler",
                (430, 110),
                {"scheduler": "simple", "steps": 1, "denoise": 1.0},
                (300, 110),
            ),
            Node("projector", "GPER_WhiteGaussianProjector", (430, 280), size=(300, 110), colour=OURS),
            Node(
                "optimizer",
                "GPER_NoiseOptimizer",
                (430, 450),
                {"steps": 60, "learning_rate": 0.05, "preview_every": 5},
                (300, 420),
                colour=OURS,
            ),
            Node("euler", "KSamplerSelect", (780, 0), {"sampler_name": "euler"}, (300, 60)),
            Node("sampler_start", "SamplerCustomAdvanced", (780, 120), size=(300, 110), title="Sample the start noise"),
            Node("sampler_best", "SamplerCustomAdvanced", (780, 560), size=(300, 110), title="Sample the best noise"),
            Node("decode_start", "VAEDecode", (780, 290), size=(300, 50)),
            Node("decode_best", "VAEDecode", (780, 730), size=(300, 50)),
            Node("report", "PreviewAny", (780, 840), size=(300, 240), title="Report"),
            Node(
                "scale_start",
                "ImageScaleBy",
                (1130, 0),
                {"upscale_method": "nearest-exact", "scale_by": 4.0},
                (420, 80),
            ),
            Node(
                "scale_best",
                "ImageScaleBy",
                (1130, 560),
                {"upscale_method": "nearest-exact", "scale_by": 4.0},
                (420, 80),
            ),
            Node(
                "save_start",
                "SaveImage",
                (1130, 140),
                {"filename_prefix": "noise_optimizer/start"},
                (420, 380),
                "Start",
            ),
            Node(
                "save_best",
                "SaveImage",
                (1130, 700),
                {"filename_prefix": "noise_optimizer/optimized"},
                (420, 380),
                "Optimized",
            ),
        ],
        links=[
            ("world.model", "guider.model"),
            ("world.conditioning", "guider.conditioning"),
            ("world.model", "schedule.model"),
            *_optimizer_links("seed", "world.vae", "world.reward"),
            *_sampling_links("sampler_start", "seed.NOISE"),
            *_sampling_links("sampler_best", "optimizer.noise"),
            ("sampler_start.output", "decode_start.samples"),
            ("sampler_best.output", "decode_best.samples"),
            ("world.vae", "decode_start.vae"),
            ("world.vae", "decode_best.vae"),
            ("decode_start.IMAGE", "scale_start.image"),
            ("decode_best.IMAGE", "scale_best.image"),
            ("scale_start.IMAGE", "save_start.images"),
            ("scale_best.IMAGE", "save_best.images"),
            ("optimizer.report", "report.source"),
        ],
    )


def flux_schnell() -> Workflow:
    return Workflow(
        nodes=[
            Node("note", "MarkdownNote", (0, 0), {"text": FLUX_NOTE}, (400, 330), "Read me", colour=NOTE),
            Node(
                "checkpoint",
                "CheckpointLoaderSimple",
                (0, 400),
                {"ckpt_name": "flux1-schnell-fp8.safetensors"},
                (400, 100),
                models=[hub("Comfy-Org/flux1-schnell", "flux1-schnell-fp8.safetensors", "checkpoints")],
            ),
            Node(
                "prompt",
                "CLIPTextEncode",
                (0, 560),
                {"text": "a fox reading a newspaper in a cafe, morning light"},
                (400, 140),
            ),
            Node(
                "latent",
                "EmptySD3LatentImage",
                (0, 760),
                {"width": 1024, "height": 1024, "batch_size": 1},
                (400, 110),
            ),
            Node("seed", "RandomNoise", (0, 930), {"noise_seed": 1, "control_after_generate": "fixed"}, (400, 90)),
            Node("guider", "BasicGuider", (450, 0), size=(340, 50)),
            Node(
                "schedule",
                "BasicScheduler",
                (450, 110),
                {"scheduler": "simple", "steps": 1, "denoise": 1.0},
                (340, 110),
            ),
            Node(
                "reward",
                "GPER_RewardModelLoader",
                (450, 280),
                {
                    "file": "sac+logos+ava1-l14-linearMSE.pth",
                    "dtype": "auto",
                    "backbone": "reward_models/clip-vit-large-patch14.safetensors",
                },
                (340, 130),
                models=[
                    hub("camenduru/improved-aesthetic-predictor", "sac+logos+ava1-l14-linearMSE.pth", "reward_models"),
                    hub(
                        "openai/clip-vit-large-patch14",
                        "model.safetensors",
                        "reward_models",
                        "clip-vit-large-patch14.safetensors",
                    ),
                ],
                colour=OURS,
            ),
            Node("projector", "GPER_WhiteGaussianProjector", (450, 480), size=(340, 110), colour=OURS),
            Node(
                "optimizer",
                "GPER_NoiseOptimizer",
                (450, 650),
                {"steps": 60, "learning_rate": 0.02, "preview_every": 5},
                (340, 420),
                colour=OURS,
            ),
            Node("euler", "KSamplerSelect", (840, 0), {"sampler_name": "euler"}, (300, 60)),
            Node("sampler_start", "SamplerCustomAdvanced", (840, 120), size=(300, 110), title="Sample the start noise"),
            Node("decode_start", "VAEDecode", (840, 290), size=(300, 50)),
            Node("sampler_best", "SamplerCustomAdvanced", (840, 650), size=(300, 110), title="Sample the best noise"),
            Node("decode_best", "VAEDecode", (840, 820), size=(300, 50)),
            Node("report", "PreviewAny", (840, 930), size=(300, 140), title="Report"),
            Node(
                "save_start",
                "SaveImage",
                (1190, 0),
                {"filename_prefix": "noise_optimizer/start"},
                (460, 500),
                "Start",
            ),
            Node(
                "save_best",
                "SaveImage",
                (1190, 570),
                {"filename_prefix": "noise_optimizer/optimized"},
                (460, 500),
                "Optimized",
            ),
        ],
        links=[
            ("checkpoint.CLIP", "prompt.clip"),
            ("checkpoint.MODEL", "guider.model"),
            ("prompt.CONDITIONING", "guider.conditioning"),
            ("checkpoint.MODEL", "schedule.model"),
            *_optimizer_links("seed", "checkpoint.VAE", "reward.reward"),
            *_sampling_links("sampler_start", "seed.NOISE"),
            *_sampling_links("sampler_best", "optimizer.noise"),
            ("sampler_start.output", "decode_start.samples"),
            ("sampler_best.output", "decode_best.samples"),
            ("checkpoint.VAE", "decode_start.vae"),
            ("checkpoint.VAE", "decode_best.vae"),
            ("decode_start.IMAGE", "save_start.images"),
            ("decode_best.IMAGE", "save_best.images"),
            ("optimizer.report", "report.source"),
        ],
        scale=0.7,
    )


MIXED_NOTE = """## Two rewards pull, a third one watches
**LAION Aesthetic** and **PickScore** pull with equal strength. **HPS v2.1** has the weight 0: it is only scored. When
it falls while the others rise, they are being fooled; the run ends when it stays 0.01 below its best for 5 steps.

**Files** (the page offers what is missing; rename as shown):
- models/checkpoints: flux1-schnell-fp8.safetensors
- models/reward_models: sac+logos+ava1-l14-linearMSE.pth, clip-vit-large-patch14.safetensors,
  PickScore_v1.safetensors, HPS_v2.1_compressed.pt"""


def flux_mixed() -> Workflow:
    """The FLUX.1-schnell workflow with a chain of rewards in place of the one."""
    base = flux_schnell()
    text = "a fox reading a newspaper in a cafe, morning light"
    for node in base.nodes:
        if node.key == "note":
            node.widgets = {"text": MIXED_NOTE}
        if node.key == "optimizer":
            node.widgets["prompt"] = text
    pick = hub("yuvalkirstain/PickScore_v1", "model.safetensors", "reward_models", "PickScore_v1.safetensors")
    hps = hub("xswu/HPSv2", "HPS_v2.1_compressed.pt", "reward_models")
    mode = "equal pull"
    chain = [
        Node(
            "pick", "GPER_RewardModelLoader", (0, 1070), {"file": pick["name"]}, (400, 130), "PickScore", [pick], OURS
        ),
        Node("hps", "GPER_RewardModelLoader", (0, 1260), {"file": hps["name"]}, (400, 130), "HPS v2.1", [hps], OURS),
        Node("mix", "GPER_RewardMix", (450, 1130), {"weight": 1.0, "mode": mode}, (340, 150), colour=OURS),
        Node(
            "watch",
            "GPER_RewardMix",
            (840, 1130),
            {"weight": 0.0, "mode": mode, "stop_if_falls_by": 0.01, "for_steps": 5},
            (300, 150),
            "Watch HPS v2.1",
            colour=OURS,
        ),
    ]
    links = [link for link in base.links if link != ("reward.reward", "optimizer.reward")]
    links += [
        ("reward.reward", "mix.mix"),
        ("pick.reward", "mix.reward"),
        ("mix.reward", "watch.mix"),
        ("hps.reward", "watch.reward"),
        ("watch.reward", "optimizer.reward"),
    ]
    return Workflow(base.nodes + chain, links, scale=0.6)


def _optimizer_links(seed: str, vae: str, reward: str) -> list[tuple[str, str]]:
    return [
        (f"{seed}.NOISE", "optimizer.noise"),
        ("guider.GUIDER", "optimizer.guider"),
        ("schedule.SIGMAS", "optimizer.sigmas"),
        ("latent.LATENT", "optimizer.latent_image"),
        (vae, "optimizer.vae"),
        (reward, "optimizer.reward"),
        ("projector.projector", "optimizer.projector"),
    ]


def _sampling_links(sampler: str, noise: str) -> list[tuple[str, str]]:
    return [
        (noise, f"{sampler}.noise"),
        ("guider.GUIDER", f"{sampler}.guider"),
        ("euler.SAMPLER", f"{sampler}.sampler"),
        ("schedule.SIGMAS", f"{sampler}.sigmas"),
        ("latent.LATENT", f"{sampler}.latent_image"),
    ]


WORKFLOWS = {
    "demo": demo(),
    "flux_schnell_noise_optimizer": flux_schnell(),
    "flux_schnell_mixed_rewards": flux_mixed(),
}
