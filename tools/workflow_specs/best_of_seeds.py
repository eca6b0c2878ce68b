"""Score and pick the best of 16 seeds: how far does luck go?"""

from .parts import (
    Column,
    Node,
    Workflow,
    demo_world,
    enlarge,
    euler,
    note,
    ours,
    sampler,
    sampling_links,
    save,
    schedule,
    text,
    world_links,
)

NOTE_TEXT = """## The best of 16 seeds
Sixteen pictures are painted from sixteen noises, scored, ranked, and the best one is passed on. No gradient: this works
with any model and sampler, and is what optimizing has to beat.

The table has two columns: the reward that ranks, and a **held-out reward** of weight 0 that only watches. Where the two
disagree, the first one may be fooled.

Try: *keep* 4; another *scene*; then compare with the Noise Optimizer (*demo* workflow) at equal time."""

world, latent, noises = demo_world(batch=16, first_seed=100)

BEST_OF_SEEDS = Workflow(
    columns=[
        Column(400, [note(NOTE_TEXT, 250, "Best of 16"), noises, world, latent]),
        Column(
            300,
            [
                Node("guider", "BasicGuider"),
                schedule(),
                euler(),
                ours("watch", "RewardMix", {"weight": 0.0}, title="Watch the held-out reward"),
            ],
            top=450,
        ),
        Column(280, [sampler("sampler_all", "Paint 16")], top=300),
        Column(220, [Node("decode_all", "VAEDecode")], top=300),
        Column(300, [enlarge("enlarge_all"), ours("score", "ScoreImages", {"keep": 1})], top=300),
        Column(640, [enlarge("enlarge_best"), text("table", "Ranking", 480)], top=580),
        Column(460, [save("save_all", "all", "All 16", 540), save("save_best", "best", "The best", 400)]),
    ],
    links=[
        *world_links(),
        *sampling_links("all", "seed.NOISE", "world.vae", enlarged=True),
        ("world.reward", "watch.mix"),
        ("world.held-out reward", "watch.reward"),
        ("watch.reward", "score.reward"),
        ("decode_all.IMAGE", "score.images"),
        ("sampler_all.output", "score.latent"),
        ("score.best images", "enlarge_best.image"),
        ("enlarge_best.IMAGE", "save_best.images"),
        ("score.table", "table.source"),
    ],
    numbered="note world latent seed guider schedule euler sampler_all "
    "decode_all watch score enlarge_all enlarge_best save_all save_best table",
)
