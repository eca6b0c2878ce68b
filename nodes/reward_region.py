"""Node: a reward that looks at one part of the picture."""

from comfy_api.latest import io

from ..reward_models import in_region
from .inputs.sockets import CATEGORY, RewardModel
from .rewards.reward_handle import RewardHandle

MAX_LABEL = 40  # characters; it stands in tables and curves


class RewardRegion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_RewardRegion",
            display_name="Reward Region",
            category=CATEGORY,
            description="Makes a reward look at one part of the picture only: the crop around a mask. Several regions, "
            "or a region and the whole, are combined with Reward Mix.",
            search_aliases=["mask reward", "crop reward", "face", "detail", "regional", "inpaint crop"],
            inputs=[
                RewardModel.Input(
                    "reward", tooltip="What counts as better in this part. Of a Reward Mix, all its rewards look there."
                ),
                io.Mask.Input(
                    "mask",
                    tooltip="White is the part to improve; it may have another size than the picture. The reward sees "
                    "the whole crop, but only what lies under the mask is changed for it. One mask for all pictures, "
                    "or one for each of a batch.",
                ),
                io.Float.Input(
                    "margin",
                    default=0.25,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    tooltip="How much around the mask the reward sees, as a share of the mask's height and width on "
                    "each side. More gives it more context; useful: 0.1 to 1. 0: nothing but the mask's box.",
                ),
                io.String.Input(
                    "label",
                    default="region",
                    tooltip="Stands behind the reward's name in curves, tables and reports: face, hands, sky.",
                ),
            ],
            outputs=[
                RewardModel.Output(
                    "regional_reward",
                    display_name="reward",
                    tooltip="Goes wherever a reward does: Noise Optimizer, Reward Mix, Score Images, Rank Results.",
                )
            ],
        )

    @classmethod
    def execute(cls, reward, mask, margin=0.25, label="region") -> io.NodeOutput:
        name = " ".join(label.split())[:MAX_LABEL]
        return io.NodeOutput(RewardHandle(in_region(reward.model, mask, margin, name), reward.patchers, reward.limits))
