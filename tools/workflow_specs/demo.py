"""Start here: what does the Noise Optimizer do?"""

from .parts import (
    Column,
    Node,
    Workflow,
    demo_world,
    enlarge,
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

Try: *scene*, another seed, more *steps*. Then switch both boxes of the **White-Gaussian Projector** off and set
*learning_rate* to 0.1: the reward climbs even higher, and the pictures break. That is what the projector prevents."""

DEMO = Workflow(
    columns=[
        Column(400, [note(NOTE, 330, "Start here"), *demo_world(batch=4)]),
        Column(
            400,
            [
                Node("guider", "BasicGuider"),
                schedule(),
                ours("projector", "WhiteGaussianProjector"),
                ours("optimizer", "NoiseOptimizer", {"steps": 60, "learning_rate": 0.05, "preview_every": 5}),
            ],
        ),
        Column(
            360,
            [
                euler(),
                sampler("sampler_start", "Sample the start noise"),
                Node("decode_start", "VAEDecode"),
                enlarge("enlarge_start"),
                sampler("sampler_best", "Sample the best noise"),
                Node("decode_best", "VAEDecode"),
                enlarge("enlarge_best"),
                text("report", "Report", 240),
            ],
        ),
        Column(460, [save("save_start", "start", "Start", 520), save("save_best", "optimized", "Optimized", 520)]),
    ],
    links=[
        *world_links(),
        *optimizer_links(vae="world.vae", reward="world.reward"),
        ("projector.projector", "optimizer.projector"),
        *sampling_links("start", "seed.NOISE", "world.vae", enlarged=True),
        *sampling_links("best", "optimizer.noise", "world.vae", enlarged=True),
        ("optimizer.report", "report.source"),
    ],
)
