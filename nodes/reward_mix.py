"""Node: several rewards as one; a chain of these nodes takes any number."""

from comfy_api.latest import io

from ..reward_models import MODES, RewardMix
from ..runs.watched_reward import WatchLimit
from .inputs.sockets import CATEGORY, RewardModel
from .rewards.reward_handle import RewardHandle


class RewardMixNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_RewardMix",
            display_name="Reward Mix",
            category=CATEGORY,
            description="Combines rewards by weight. Chain these nodes for more than two; the last one's mode counts. "
            "A reward of weight 0 is only watched: it does not pull, but it is scored at every step.",
            search_aliases=["combine rewards", "weighted rewards", "held-out reward", "watch", "ensemble"],
            inputs=[
                RewardModel.Input(
                    "mix", tooltip="A reward, or the Reward Mix before this one. A plain reward has the weight 1 here."
                ),
                RewardModel.Input("reward", tooltip="The reward to add."),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=-100.0,
                    max=100.0,
                    step=0.05,
                    tooltip="More gives this reward more say. 0: only watch it. Below 0: push away from it.",
                ),
                io.Combo.Input(
                    "mode",
                    options=list(MODES)[::-1],
                    default=MODES[1],
                    tooltip="equal pull: weights are shares, whatever the scales. weighted sum: the raw scores "
                    "are added, so weights have to balance scales (a CLIP cosine moves by 0.1, a PickScore by 3).",
                ),
                io.Float.Input(
                    "stop_if_falls_by",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.01,
                    tooltip="With weight 0: end the run when this reward stays this far below its best: a sign that "
                    "the others are being fooled. 0: never.",
                    advanced=True,
                ),
                io.Int.Input(
                    "for_steps",
                    default=5,
                    min=1,
                    max=1000,
                    tooltip="For how many steps in a row it has to stay below. More is more patient.",
                    advanced=True,
                ),
            ],
            outputs=[
                RewardModel.Output("mixed_reward", display_name="reward", tooltip="Goes into the Noise Optimizer.")
            ],
        )

    @classmethod
    def execute(cls, mix, reward, weight=1.0, mode=MODES[1], stop_if_falls_by=0.0, for_steps=5) -> io.NodeOutput:
        before, weights = _members(mix)
        added, added_weights = _members(reward)
        scale = weight if len(added) == 1 else weight / (sum(map(abs, added_weights)) or 1.0)
        model = RewardMix([*before, *added], [*weights, *(scale * w for w in added_weights)], mode)
        limits = mix.limits | {len(before) + index: limit for index, limit in reward.limits.items()}
        if stop_if_falls_by > 0:
            if weight != 0:
                raise ValueError(
                    f"stop_if_falls_by is {stop_if_falls_by:g}, but {reward.model.name} weighs {weight:g}: only "
                    "a watched reward (weight 0) can end the run. Set one of the two to 0."
                )
            limits |= {i: WatchLimit(stop_if_falls_by, for_steps) for i in range(len(before), len(model.names))}
        patchers = [*mix.patchers, *(p for p in reward.patchers if p not in mix.patchers)]
        return io.NodeOutput(RewardHandle(model, patchers, limits))


def _members(handle: RewardHandle) -> tuple[list, list[float]]:
    if isinstance(handle.model, RewardMix):
        return list(handle.model.rewards), list(handle.model.weights)
    return [handle.model], [1.0]
