"""Improve one part of a picture and keep the rest."""

from .parts import (
    Column,
    Node,
    Workflow,
    before_and_after,
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

NOTE_TEXT = """## A better sky, the same land
The start picture is painted first; then only its sky is painted again, with better noise.

- **Reward Region** makes the reward look at the crop around the mask. Here it wants colour there.
- **Set Latent Noise Mask** keeps the picture outside the mask, and the Noise Optimizer keeps the noise there. With the
  same seed the new part fits to the old.

In a picture of yours: paint the mask in the Mask Editor of *Load Image*, take a learned reward, and paint a little more
than the part. Several parts: one Reward Region each, combined with **Reward Mix**."""


def mask(key: str, value: float, height: int) -> Node:
    return Node(key, "SolidMask", {"value": value, "width": 64, "height": height})


world, latent, noise = demo_world(first_seed=7)

IMPROVE_REGION = Workflow(
    columns=[
        Column(
            400,
            [
                note(NOTE_TEXT, 330, "Improve a region"),
                world,
                ours("statistic", "PictureStatistics", {"statistic": "colourfulness"}),
                mask("picture", 0.0, 64),
                mask("part", 1.0, 32),
            ],
        ),
        Column(
            300,
            [
                Node("guider", "BasicGuider"),
                noise,
                schedule(),
                latent,
                ours("region", "RewardRegion", {"label": "sky"}),
            ],
        ),
        Column(
            400,
            [
                euler(),
                sampler("sampler_start", "Paint the start picture"),
                ours("optimizer", "NoiseOptimizer"),
                Node("mask", "MaskComposite", {"x": 0, "y": 0, "operation": "add"}, title="The sky"),
            ],
        ),
        Column(280, [sampler("sampler_best", "Repaint the sky")]),
        Column(
            240,
            [Node("decode_best", "VAEDecode"), Node("decode_start", "VAEDecode"), Node("masked", "SetLatentNoiseMask")],
            top=200,
        ),
        Column(300, [enlarge("enlarge_best")]),
        Column(
            420,
            [save("save_best", "region", "Better sky", 440), before_and_after(), text("report", "Report", 240)],
        ),
    ],
    links=[
        *world_links(),
        *sampling_links("start", "seed.NOISE", "world.vae")[:-1],
        ("picture.MASK", "mask.destination"),
        ("part.MASK", "mask.source"),
        ("mask.MASK", "masked.mask"),
        ("sampler_start.output", "masked.samples"),
        ("mask.MASK", "region.mask"),
        ("statistic.reward", "region.reward"),
        *optimizer_links(vae="world.vae", reward="region.reward", latent="masked.LATENT"),
        *sampling_links("best", "optimizer.noise", "world.vae", latent="masked.LATENT", enlarged=True),
        ("decode_start.IMAGE", "compare.before"),
        ("decode_best.IMAGE", "compare.after"),
        ("optimizer.report", "report.source"),
    ],
    scale=0.6,
)
