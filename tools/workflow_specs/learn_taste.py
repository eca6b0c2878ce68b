"""Learn a taste from chosen pictures, and optimize for it."""

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

NOTE_TEXT = """## Teach it what you like
48 plain pictures are painted, the ones that somebody likes are chosen, **Learn Taste** learns from them, and the Noise
Optimizer follows what was learned. Read *What was learned* first: it tells how well the taste knows pictures that it
has not seen.

Here *Score Images* stands in for you, and likes them dark. With pictures of your own: put 30 that you like into a
folder *liked* of ComfyUI's input, write *liked* into **liked_folder**, choose a CLIP or SigLIP as **encoder**, and
connect ordinary pictures of your model to **disliked**. The taste is then a file that the *Reward Model Loader* lists.

Learned tastes can be fooled: keep the projector, and *caution* at 1."""

world, latent, first_seed = demo_world(batch=4, scene="night")

LEARN_TASTE = Workflow(
    columns=[
        Column(
            400,
            [
                note(NOTE_TEXT, 400, "Learn a taste"),
                Node("pool_seed", "RandomNoise", {"noise_seed": 100, "control_after_generate": "fixed"}),
                Node("pool", "EmptySD3LatentImage", {"width": 64, "height": 64, "batch_size": 48}, title="48 pictures"),
                world,
                schedule(),
                latent,
            ],
        ),
        Column(300, [euler(), Node("guider", "BasicGuider")], top=780),
        Column(300, [sampler("sampler_pool", "Paint pictures to choose from"), first_seed], top=230),
        Column(
            300,
            [
                ours(
                    "picker", "PictureStatistics", {"statistic": "brightness", "goal": "less"}, title="Likes the dark"
                ),
                Node("decode_pool", "VAEDecode"),
            ],
            top=130,
        ),
        Column(300, [ours("choose", "ScoreImages", {"keep": 12}, title="Choose the liked ones")], top=90),
        Column(
            400,
            [
                ours("taste", "LearnTaste", {"encoder": "demo world", "save_as": "demo taste"}, height=250),
                sampler("sampler_start", "Sample the start noise"),
                ours("optimizer", "NoiseOptimizer"),
            ],
            top=364,
        ),
        Column(
            300,
            [sampler("sampler_best", "Sample the best noise"), ours("projector", "WhiteGaussianProjector")],
            top=890,
        ),
        Column(220, [Node("decode_start", "VAEDecode"), Node("decode_best", "VAEDecode")], top=430),
        Column(300, [enlarge("enlarge_start"), enlarge("enlarge_best")], top=590),
        Column(
            420,
            [
                text("report", "What was learned", 280),
                save("save_start", "start", "Start", 520),
                save("save_best", "taste", "To your taste", 520),
            ],
            top=170,
        ),
    ],
    links=[
        *world_links(),
        ("pool_seed.NOISE", "sampler_pool.noise"),
        ("guider.GUIDER", "sampler_pool.guider"),
        ("euler.SAMPLER", "sampler_pool.sampler"),
        ("schedule.SIGMAS", "sampler_pool.sigmas"),
        ("pool.LATENT", "sampler_pool.latent_image"),
        ("sampler_pool.output", "decode_pool.samples"),
        ("world.vae", "decode_pool.vae"),
        ("decode_pool.IMAGE", "choose.images"),
        ("picker.reward", "choose.reward"),
        ("choose.best images", "taste.liked"),
        ("decode_pool.IMAGE", "taste.disliked"),
        *optimizer_links(vae="world.vae", reward="taste.reward"),
        ("projector.projector", "optimizer.projector"),
        *sampling_links("start", "seed.NOISE", "world.vae", enlarged=True),
        *sampling_links("best", "optimizer.noise", "world.vae", enlarged=True),
        ("taste.report", "report.source"),
    ],
    scale=0.55,
)
