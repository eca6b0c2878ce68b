"""Random Taste board: 32 seeds, the ones that one likes, and a picture made to that taste."""

from .better_picture import BETTER_PICTURE
from .parts import (
    Column,
    Node,
    Workflow,
    before_and_after,
    demo_world,
    euler,
    note,
    ours,
    sampler,
    sampling_links,
    schedule,
    text,
    world_links,
)

NOTE_TEXT = """## Click what you like
1. Press **Run**: the pictures of 32 seeds appear on **Pick Images**.
2. Click those that you like, **8 to 24**, whatever it is that you like about them.
3. Press **Run** again. **Learn Taste** learns a reward from your choice and says how sure it is, and **Better Picture**
   makes the picture of another seed more to your taste.

They are painted once, until their seed changes, and your clicks are saved with the workflow. To teach
it more, put liked pictures into a folder of ComfyUI's input and name it in *liked_folder*.

The demo world has eyes of its own. With a model of yours, choose a CLIP or SigLIP file as *encoder*."""

world, latent, noise = demo_world(batch=32, first_seed=300)

TASTE_BOARD = Workflow(
    columns=[
        Column(400, [note(NOTE_TEXT, 400, "A board for your taste"), noise, world, latent]),
        Column(300, [Node("guider", "BasicGuider"), schedule(), euler()], top=560),
        Column(280, [sampler("sampler_all", "Paint 32")], top=440),
        Column(220, [Node("decode_all", "VAEDecode")], top=440),
        Column(560, [ours("pick", "PickImages", height=640)]),
        Column(
            400,
            [
                ours("taste", "LearnTaste", {"encoder": "demo world", "save_as": "my taste"}, height=250),
                text("verdict", "How sure it is", 240),
                Node("one", "EmptySD3LatentImage", {"width": 64, "height": 64, "batch_size": 1}, title="One picture"),
            ],
        ),
        Column(
            400,
            [
                Node(
                    "better",
                    BETTER_PICTURE.id,
                    {"seed": 7},
                    colour=("#223", "#335"),
                    title=BETTER_PICTURE.name,
                )
            ],
        ),
        Column(440, [before_and_after(), text("report", "Report", 240)]),
    ],
    links=[
        *world_links(),
        *sampling_links("all", "seed.NOISE", "world.vae")[:-1],
        ("decode_all.IMAGE", "pick.images"),
        ("pick.liked", "taste.liked"),
        ("pick.rest", "taste.disliked"),
        ("taste.reward", "better.reward"),
        ("taste.report", "verdict.source"),
        ("world.model", "better.model"),
        ("world.vae", "better.vae"),
        ("world.conditioning", "better.positive"),
        ("one.LATENT", "better.latent"),
        ("better.before", "compare.before"),
        ("better.after", "compare.after"),
        ("better.report", "report.source"),
    ],
    scale=0.6,
)
