"""Keep and vary a noise: one good result becomes a file and a family."""

from .parts import (
    MUTED,
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

NOTE_TEXT = """## Keep a noise, and make a family of it
The optimized noise is **kept** as a file in output/noises, and **varied**: eight noises a little way off, each as white
as the first, paint siblings of the picture.

- *distance* 0.1: twins. 0.3: siblings. 0.6: cousins. 1: strangers.
- another *seed* of Noise Variations: another family.

**Tomorrow, or on another computer:** switch **Load Noise** on (Ctrl+M), choose the file (R shows new ones), connect its
*noise* in place of the optimizer's, and mute **Noise Optimizer**, **Save Noise** and **Report** (Ctrl+M). Same file,
same workflow: the same pictures, no optimizing."""

world, latent, noise = demo_world(first_seed=11)

KEEP_AND_VARY = Workflow(
    columns=[
        Column(400, [note(NOTE_TEXT, 310, "Keep and vary"), world]),
        Column(300, [ours("load", "LoadNoise", mode=MUTED), schedule(), Node("guider", "BasicGuider"), noise, latent]),
        Column(400, [ours("optimizer", "NoiseOptimizer")], top=440),
        Column(
            300,
            [
                ours(
                    "vary",
                    "NoiseVariations",
                    {"count": 8, "distance": 0.2, "seed": 1, "control_after_generate": "fixed"},
                ),
                euler(),
                ours("keep", "SaveNoise", {"filename_prefix": "landscape"}),
            ],
            top=480,
        ),
        Column(
            280,
            [sampler("sampler_best", "Sample the best noise"), sampler("sampler_family", "Sample the family")],
            top=150,
        ),
        Column(220, [Node("decode_best", "VAEDecode"), Node("decode_family", "VAEDecode")], top=290),
        Column(300, [enlarge("enlarge_best"), enlarge("enlarge_family")], top=290),
        Column(
            460,
            [
                save("save_best", "optimized", "The one", 440),
                save("save_family", "family", "Its family", 540),
                text("report", "Report", 240),
            ],
        ),
    ],
    links=[
        *world_links(),
        *optimizer_links(vae="world.vae", reward="world.reward"),
        ("optimizer.noise", "keep.noise"),
        ("optimizer.noise", "vary.noise"),
        ("latent.LATENT", "vary.latent_image"),
        *sampling_links("best", "optimizer.noise", "world.vae", enlarged=True),
        *sampling_links("family", "vary.noise", "world.vae", latent="vary.latent", enlarged=True),
        ("optimizer.report", "report.source"),
    ],
    scale=0.6,
    numbered="note world latent seed guider schedule optimizer keep load vary report "
    "euler sampler_best decode_best enlarge_best sampler_family decode_family enlarge_family save_best save_family",
)
