"""A subject that can be computed by hand, and a comparison on it."""

from contextlib import nullcontext
from dataclasses import replace

from benchmarks.comparison.contenders import STRENGTH, contenders
from benchmarks.comparison.protocol import Comparison, Plan


class Squares:
    """The picture is the noise, the target wants it at 1."""

    name = "squares"
    prompts = ("a", "b")
    learning_rate = 0.02

    def __init__(self, side=4):
        self.evaluations = 0
        self.size, self.latent_shape = side, (3, side, side)
        self.held_out = {"held out": lambda images, prompts: -images.mean((1, 2, 3)).abs()}
        self.judges = {"energy": lambda images: images.square().mean((1, 2, 3)) + 0.1}

    def generate(self, noise, prompts):
        self.evaluations += 1
        assert len(noise) == len(prompts)
        return noise

    def reward(self, images, prompts):
        return -(images - 1).square().mean((1, 2, 3))

    def feature_distance(self, images):
        return None

    def sound_pictures(self, count):
        return None

    def graph_context(self):
        return nullcontext()


PLAN = Plan(
    noises=3,
    tuning_noises=2,
    steps=4,
    step_sizes=5,
    strengths=(0.1, STRENGTH),
    long_steps=6,
    long_noises=2,
    efforts=("effort-quick",),
    batch=2,
    timing_rounds=1,
)


def compared(folder, methods=("none", "gper", "best-of-n"), ways=("plain",), side=4, tuned=None, **changes):
    subject, plan = Squares(side), replace(PLAN, **changes)
    return Comparison(subject, subject, contenders(methods, ways, plan.efforts), plan, folder, tuned)
