"""Compare methods on one seed: what does keeping the noise white buy?"""

from dataclasses import asdict

from preconditioning.efforts import EFFORTS

from .parts import Column, Node, Workflow, demo_world, note, optimizer_links, ours, save, schedule, world_links

NOTE_TEXT = """## Three methods, one seed
The same noises, model and reward; only the method differs:

- **GPER** keeps the noise white at every step
- **ReNO** pulls it back with a penalty on its norm
- **none** is plain gradient ascent

The reward that is climbed can be fooled. The **held-out reward** has weight 0: it only watches, and tells who improved
the picture and who fooled the judge. Each sheet shows both curves, the start and the best pictures.

Try: another *method* (best of seeds, MPGR, PRNO, local search), more *steps*. *learning_rate* 0 takes what
suits the method."""

# As the papers have them, without the help that the pack's own default has.
PUBLISHED = asdict(EFFORTS["plain"])
METHODS = {"gper": ("GPER", 0.05), "reno": ("ReNO", 0.0), "none": ("none", 0.05)}


def _column(key: str, method: str, learning_rate: float) -> Column:
    settings = {**PUBLISHED, "learning_rate": learning_rate, "preview_every": 10}
    return Column(
        440,
        [
            ours(f"method_{key}", "OptimizationMethod", {"method": method}, title=f"Method: {method}"),
            ours(f"optimizer_{key}", "NoiseOptimizer", settings),
            save(f"save_{key}", f"method_{key}", f"Sheet: {method}", 820),
        ],
    )


def _links(key: str) -> list[tuple[str, str]]:
    optimizer = f"optimizer_{key}"
    return [
        *optimizer_links(vae="world.vae", reward="watch.reward", optimizer=optimizer),
        (f"method_{key}.method", f"{optimizer}.method"),
        (f"{optimizer}.report_image", f"save_{key}.images"),
    ]


COMPARE_METHODS = Workflow(
    columns=[
        Column(400, [note(NOTE_TEXT, 310, "Compare methods"), *demo_world(batch=2)]),
        Column(
            320,
            [
                Node("guider", "BasicGuider"),
                schedule(),
                ours("watch", "RewardMix", {"weight": 0.0}, title="Watch the held-out reward"),
            ],
        ),
        *(_column(key, method, learning_rate) for key, (method, learning_rate) in METHODS.items()),
    ],
    links=[
        *world_links(),
        ("world.reward", "watch.mix"),
        ("world.held-out reward", "watch.reward"),
        *(link for key in METHODS for link in _links(key)),
    ],
    scale=0.6,
)
