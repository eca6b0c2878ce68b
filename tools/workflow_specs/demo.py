"""Start here: what does the Noise Optimizer do?"""

from .parts import (
    Column,
    Node,
    Workflow,
    demo_world,
    euler,
    note,
    optimizer_links,
    ours,
    sampler,
    sampling_links,
    save,
    schedule,
    text,
    world_links,
)

NOTE = """## Start here
Press **Run**. A tiny FLUX that comes with the pack paints four landscapes from noise; the
**Noise Optimizer** improves that noise, step by step, until the pictures please a learned taste. Watch the curve on
the node; **Stop and keep** ends it early and hands on the best so far.

- **Start:** the pictures of the start noise
- **Optimized:** the pictures of the best noise, from the stock sampler

Try: *scene*, another seed, *effort* *quick*. Then switch both boxes of the **White-Gaussian Projector** off: the reward
climbs as high, and the pictures break. That is what the projector prevents. On a computer without a graphics card a run
takes a minute or two; with a latent of 128 x 128, a quarter of that."""

# Neither seeds first nor a limit: what keeps the pictures is the projector alone.
SETTINGS = {
    "steps": 20,
    "learning_rate": 0.05,
    "preview_every": 5,
    "seeds_first": 0,
    "strength": 1.0,
    "step_rule": "falling momentum",
}
world, latent, noise = demo_world(batch=4, size=256)

DEMO = Workflow(
    columns=[
        Column(
            400,
            [
                note(NOTE, 330, "Start here"),
                noise,
                world,
                schedule(),
                ours("projector", "WhiteGaussianProjector"),
                latent,
            ],
        ),
        Column(
            400,
            [
                Node("guider", "BasicGuider"),
                ours("optimizer", "NoiseOptimizer", SETTINGS),
            ],
            top=450,
        ),
        Column(300, [euler(), sampler("sampler_start", "Sample the start noise")], top=100),
        Column(280, [Node("decode_start", "VAEDecode"), sampler("sampler_best", "Sample the best noise")], top=500),
        Column(220, [Node("decode_best", "VAEDecode")], top=900),
        Column(
            420,
            [
                save("save_start", "start", "Start", 460),
                save("save_best", "optimized", "Optimized", 460),
                text("report", "Report", 240),
            ],
        ),
    ],
    links=[
        *world_links(),
        *optimizer_links(vae="world.vae", reward="world.reward"),
        ("projector.projector", "optimizer.projector"),
        *sampling_links("start", "seed.NOISE", "world.vae"),
        *sampling_links("best", "optimizer.noise", "world.vae"),
        ("optimizer.report", "report.source"),
    ],
    numbered="note world latent seed guider schedule projector optimizer euler "
    "sampler_start decode_start sampler_best decode_best report save_start save_best",
)
