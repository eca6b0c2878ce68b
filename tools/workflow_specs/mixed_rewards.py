"""Two rewards and a watcher: how is a reward kept from being fooled?"""

from .flux_schnell import CHECKPOINT_LINKS, PROMPT, checkpoint, empty_latent, prompt, start_and_best
from .parts import Column, Node, Workflow, compared_links, euler, note, optimizer_links, ours, schedule, seed
from .reward_files import aesthetic, hps, pickscore

NOTE_TEXT = """## Two rewards pull, a third one watches
**LAION Aesthetic** and **PickScore** pull with equal strength. **HPS v2.1** has the weight 0: it is only scored. When
it falls while the others rise, they are being fooled; the run ends when it stays 0.01 below its best for 5 steps.

**Files** (the page offers what is missing; rename as shown):
- models/checkpoints: flux1-schnell-fp8.safetensors
- models/reward_models: sac+logos+ava1-l14-linearMSE.pth, clip-vit-large-patch14.safetensors,
  PickScore_v1.safetensors, HPS_v2.1_compressed.pt"""

MODE = "equal pull"

MIXED_REWARDS = Workflow(
    columns=[
        Column(420, [note(NOTE_TEXT, 290), seed(), prompt(), checkpoint(), aesthetic(), pickscore()]),
        Column(
            300,
            [
                Node("guider", "BasicGuider"),
                schedule(),
                ours("mix", "RewardMix", {"weight": 1.0, "mode": MODE}, title="Add PickScore"),
                hps(),
            ],
            top=560,
        ),
        Column(
            300,
            [
                empty_latent(1024),
                ours(
                    "watch",
                    "RewardMix",
                    {"weight": 0.0, "mode": MODE, "stop_if_falls_by": 0.01, "for_steps": 5},
                    title="Watch HPS v2.1",
                ),
            ],
            top=750,
        ),
        Column(400, [euler(), ours("optimizer", "NoiseOptimizer", {"prompt": PROMPT})], top=550),
        *start_and_best(490, 600, 390),
    ],
    links=[
        *CHECKPOINT_LINKS,
        ("reward.reward", "mix.mix"),
        ("pick.reward", "mix.reward"),
        ("mix.reward", "watch.mix"),
        ("hps.reward", "watch.reward"),
        *optimizer_links(reward="watch.reward"),
        *compared_links(),
        ("optimizer.report", "report.source"),
    ],
    scale=0.6,
    numbered="note checkpoint prompt latent seed reward pick hps mix watch "
    "guider schedule optimizer euler sampler_start decode_start sampler_best decode_best report compare save_best",
)
