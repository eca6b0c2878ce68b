"""A list of seeds: which of several optimized noises is the best?"""

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
    save,
    schedule,
    text,
    world_links,
)

NOTE_TEXT = """## Several seeds, each optimized, ranked
**Seed List** makes everything that hangs on it run once for each of its seeds, one after the other, with the memory of
one. **Rank Results** collects the pictures, ranks them by the **held-out reward** (which nobody optimized, so nobody
fooled it) and passes on the best ones with their noises; **Save Noise** keeps those.

A **Prompt List** works the same way: one prompt a line, into *CLIP Text Encode*, the optimizer's *prompt*, and the
*prompts* of Rank Results."""

world, latent, noise = demo_world(first_seed=20)

RANKED_SEEDS = Workflow(
    columns=[
        Column(
            400,
            [
                note(NOTE_TEXT, 250, "Ranked seeds"),
                ours("seeds", "SeedList", {"first": 20, "control_after_generate": "fixed", "count": 4}),
                world,
                latent,
            ],
        ),
        Column(300, [noise, schedule(), Node("guider", "BasicGuider")], top=330),
        Column(400, [ours("optimizer", "NoiseOptimizer", {"seeds_first": 0}), euler()], top=420),
        Column(280, [sampler("sampler", "Sample each best noise")], top=250),
        Column(220, [Node("decode", "VAEDecode")], top=250),
        Column(300, [ours("rank", "RankResults", {"keep": 4})], top=520),
        Column(300, [enlarge("enlarge"), ours("keep", "SaveNoise", {"filename_prefix": "ranked"})], top=350),
        Column(460, [save("save", "ranked", "Best first", 500), text("table", "Ranking", 240)], top=80),
    ],
    links=[
        *world_links(),
        ("seeds.seed", "seed.noise_seed"),
        *optimizer_links(vae="world.vae", reward="world.reward"),
        ("optimizer.noise", "sampler.noise"),
        ("guider.GUIDER", "sampler.guider"),
        ("euler.SAMPLER", "sampler.sampler"),
        ("schedule.SIGMAS", "sampler.sigmas"),
        ("latent.LATENT", "sampler.latent_image"),
        ("sampler.output", "decode.samples"),
        ("world.vae", "decode.vae"),
        ("decode.IMAGE", "rank.images"),
        ("world.held-out reward", "rank.reward"),
        ("optimizer.noise", "rank.noises"),
        ("rank.best images", "enlarge.image"),
        ("enlarge.IMAGE", "save.images"),
        ("rank.best noises", "keep.noise"),
        ("rank.table", "table.source"),
    ],
    numbered="note world latent seed seeds guider schedule optimizer euler sampler decode rank keep enlarge save table",
)
