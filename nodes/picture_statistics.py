"""Node: rewards that need no weights, measured on the picture itself."""

from comfy_api.latest import io

from ..reward_models.picture_statistics import STATISTICS, PictureStatistic
from .inputs.sockets import CATEGORY, RewardModel
from .rewards.reward_handle import RewardHandle


class PictureStatisticsNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_PictureStatistics",
            display_name="Picture Statistics",
            category=CATEGORY,
            description="A reward without a model file: brightness, contrast, colourfulness or sharpness.",
            search_aliases=["brightness", "contrast", "colorfulness", "saturation", "sharpness", "reward"],
            inputs=[
                io.Combo.Input(
                    "statistic",
                    options=list(STATISTICS),
                    tooltip="brightness 0 to 1; contrast 0 to 0.5; colourfulness 0 (grey) to about 110; sharpness: "
                    "variance of the Laplacian, below 100 looks blurred.",
                ),
                io.Combo.Input(
                    "goal",
                    options=["more", "less", "target"],
                    default="more",
                    tooltip="more or less of it, or as close as possible to the target value below.",
                ),
                io.Float.Input(
                    "target",
                    default=0.5,
                    min=0.0,
                    max=10000.0,
                    step=0.01,
                    tooltip="The wanted value, in the statistic's own units. Used with goal: target.",
                ),
            ],
            outputs=[RewardModel.Output("reward", display_name="reward", tooltip="Goes into the Noise Optimizer.")],
        )

    @classmethod
    def execute(cls, statistic, goal="more", target=0.5) -> io.NodeOutput:
        wanted = {"more": None, "less": 0.0, "target": target}[goal]
        return io.NodeOutput(RewardHandle(PictureStatistic(statistic, wanted)))
