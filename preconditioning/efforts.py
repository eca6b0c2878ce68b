"""How much a run does: seeds, steps, how they step and how far they may go, chosen together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Settings that go together; each can be changed by itself.

    Attributes:
        steps: of the ascent.
        seeds_first: seeds of which the best is the start; 0 for the given noise.
        strength: how far the noise may leave its start, see `strength`; 1 for no limit.
        step_rule: one of `recipes.STEP_RULES`.
    """

    steps: int
    seeds_first: int
    strength: float
    step_rule: str


# Plain is the published method. The others are ours: siblings of a good start, by steps that keep a white direction
# white and shrink towards the end.
EFFORTS = {
    "plain": Effort(60, 0, 1.0, "as the method"),
    "quick": Effort(10, 8, 0.15, "falling momentum"),
    "balanced": Effort(30, 16, 0.15, "falling momentum"),
    "thorough": Effort(100, 32, 0.15, "falling momentum"),
}
