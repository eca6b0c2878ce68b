"""Better Picture: the whole way from noise to a better picture as one node, and the first workflow, which uses it."""

from .parts import (
    Blueprint,
    Column,
    Node,
    Workflow,
    demo_world,
    euler,
    note,
    ours,
    sampler,
    schedule,
    seed,
    text,
)

BETTER_PICTURE = Blueprint(
    name="Better Picture",
    description="Improves the noise of a seed until the reward likes its picture better. Gives the picture before and "
    "after, the noise, and a report. Open it to see and change every part.",
    aliases=["GPER", "noise optimizer", "better noise", "reward", "improve picture"],
    columns=[
        Column(340, [Node("guider", "BasicGuider"), schedule(), seed(), euler()]),
        Column(400, [ours("optimizer", "NoiseOptimizer")]),
        Column(
            300, [sampler("sampler_best", "Sample the best noise"), sampler("sampler_start", "Sample the start noise")]
        ),
        Column(240, [Node("decode_best", "VAEDecode"), Node("decode_start", "VAEDecode")]),
    ],
    links=[
        ("seed.NOISE", "optimizer.noise"),
        ("guider.GUIDER", "optimizer.guider"),
        ("schedule.SIGMAS", "optimizer.sigmas"),
        *(
            link
            for name, noise in (("best", "optimizer.noise"), ("start", "seed.NOISE"))
            for link in (
                (noise, f"sampler_{name}.noise"),
                ("guider.GUIDER", f"sampler_{name}.guider"),
                ("euler.SAMPLER", f"sampler_{name}.sampler"),
                ("schedule.SIGMAS", f"sampler_{name}.sigmas"),
                (f"sampler_{name}.output", f"decode_{name}.samples"),
            )
        ),
    ],
    inputs={
        "model": ["guider.model", "schedule.model"],
        "vae": ["optimizer.vae", "decode_best.vae", "decode_start.vae"],
        "positive": ["guider.conditioning"],
        "reward": ["optimizer.reward"],
        "latent": ["optimizer.latent_image", "sampler_best.latent_image", "sampler_start.latent_image"],
        "seed": ["seed.noise_seed"],
        "steps": ["optimizer.steps"],
        "learning_rate": ["optimizer.learning_rate"],
        "sampling_steps": ["schedule.steps"],
        "prompt": ["optimizer.prompt"],
    },
    outputs={
        "before": "decode_start.IMAGE",
        "after": "decode_best.IMAGE",
        "noise": "optimizer.noise",
        "report": "optimizer.report",
    },
)

NOTE_TEXT = """## A better picture in five nodes
Press **Run**. **Better Picture** paints the picture of a seed, tries 15 other seeds, improves the best one's noise step
by step until the reward likes its picture better, and paints that.

Drag the slider over the pictures: *before* on the left, *after* on the right.

- **With a model of yours:** connect its model, VAE and prompt, an empty latent, and a reward from the **Reward Model
  Loader**. *learning_rate* 0 takes what suits the model; *sampling_steps* is the model's own number of steps.
- **To keep the picture**, connect *after* to Save Image; to keep the noise, connect it to **Save Noise**.
- The button at the corner of the node opens it: inside is the workflow *demo*, with the effort *balanced*."""

BETTER_PICTURE_WORKFLOW = Workflow(
    columns=[
        Column(400, [note(NOTE_TEXT, 330, "A better picture"), *demo_world(first_seed=7, size=256)[:2]]),
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
        Column(
            440,
            [ours("compare", "BeforeAndAfter", height=480), text("report", "Report", 240)],
        ),
    ],
    links=[
        ("world.model", "better.model"),
        ("world.vae", "better.vae"),
        ("world.conditioning", "better.positive"),
        ("world.reward", "better.reward"),
        ("latent.LATENT", "better.latent"),
        ("better.before", "compare.before"),
        ("better.after", "compare.after"),
        ("better.report", "report.source"),
    ],
    scale=0.8,
)
