"""What does the NoiseTilt Sampler do? On the demo world's model of many steps."""

from .parts import (
    Column,
    Node,
    Workflow,
    demo_world,
    enlarge,
    note,
    ours,
    sampler,
    save,
    schedule,
    stock_sampler,
    text,
    tilt_links,
    world_links,
)

NOTE_TEXT = """## Steered while it paints
Press **Run**. A tiny FLUX of 25 steps paints four landscapes twice from the same seed: by ComfyUI's *euler_ancestral*,
and by the **NoiseTilt Sampler**, which is the same sampler, whose noise leans towards a learned taste at every step.
No search: one picture, one pass.

- **As usual** and **Tilted:** the same start noise, the same steps
- **Ranking:** the tilted pictures, the best one first, and a **held-out reward** that only watches: where it falls, the
  taste is being fooled

Try: *strength* 0.01, 0.25 (small pictures bear more than large ones), *schedule* falling, *end_percent* 0.5,
*gradient* decoder only."""

world, latent, first_seed = demo_world(batch=4, sampling="many steps")

NOISETILT_DEMO = Workflow(
    columns=[
        Column(400, [note(NOTE_TEXT, 360, "Start here"), latent, world]),
        Column(300, [stock_sampler("euler_ancestral"), first_seed, schedule(25), Node("guider", "BasicGuider")]),
        Column(
            400,
            [
                ours("tilt", "NoiseTiltSampler", {"strength": 0.06}),
                ours("watch", "RewardMix", {"weight": 0.0}, title="Watch the held-out reward"),
            ],
            top=550,
        ),
        Column(
            280, [sampler("sampler_plain", "Sample as usual"), sampler("sampler_tilted", "Sample with tilted noise")]
        ),
        Column(220, [Node("decode_plain", "VAEDecode"), Node("decode_tilted", "VAEDecode")], top=150),
        Column(
            300,
            [enlarge("enlarge_plain"), enlarge("enlarge_tilted"), ours("score", "ScoreImages", {"keep": 1})],
            top=250,
        ),
        Column(
            460,
            [
                save("save_plain", "plain", "As usual", 480),
                save("save_tilted", "tilted", "Tilted", 480),
                text("table", "Ranking", 260),
            ],
        ),
    ],
    links=[
        *world_links(),
        *tilt_links("world.vae", enlarged=True, reward="world.reward"),
        ("world.reward", "watch.mix"),
        ("world.held-out reward", "watch.reward"),
        ("watch.reward", "score.reward"),
        ("decode_tilted.IMAGE", "score.images"),
        ("score.table", "table.source"),
    ],
)
