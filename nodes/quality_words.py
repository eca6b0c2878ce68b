"""Node: a reward in the artist's own words, on any CLIP."""

import torch
from comfy_api.latest import io

from ..reward_models import QualityWords, check_word_pairs, load_whole_clip
from .inputs.sockets import CATEGORY, RewardModel
from .refusals.node_names import check_node
from .rewards.reward_files import NO_ENCODER, backbone_path, encoder_names, modification_times
from .rewards.reward_handle import RewardHandle


class QualityWordsNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_QualityWords",
            display_name="Quality Words",
            category=CATEGORY,
            description="A reward in words of your own: a picture that looks like the wanted words rather than like "
            "the unwanted ones, in the eyes of CLIP.",
            search_aliases=["CLIP-IQA", "text reward", "prompt pair", "mood", "sharp", "quality"],
            inputs=[
                io.Combo.Input(
                    "clip",
                    options=encoder_names() or [NO_ENCODER],
                    tooltip="A CLIP file with both its encoders, of images and of words, from models/reward_models or "
                    "models/clip_vision: model.safetensors of CLIP L/14 or H/14, renamed.",
                ),
                io.String.Input(
                    "wanted",
                    multiline=True,
                    default="Good photo.",
                    tooltip="How the picture should look, in a short phrase: Warm photo. Several lines are several "
                    "pairs with the lines of unwanted; their mean counts.",
                ),
                io.String.Input(
                    "unwanted",
                    multiline=True,
                    default="Bad photo.",
                    tooltip="The opposite, otherwise in the same words: Cold photo. One line for each line of wanted.",
                ),
            ],
            outputs=[
                RewardModel.Output(
                    "reward",
                    display_name="reward",
                    tooltip="Probability of the wanted words, 0 to 1; 0.5: neither. Goes wherever a reward does.",
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, clip, wanted, unwanted):
        return [*modification_times(backbone_path(clip)), wanted, unwanted]

    @classmethod
    def execute(cls, clip, wanted="Good photo.", unwanted="Bad photo.") -> io.NodeOutput:
        check_node("Quality Words")
        path, pair = backbone_path(clip), (_lines(wanted), _lines(unwanted))
        check_word_pairs(*pair)
        with torch.inference_mode(False):
            model = QualityWords(load_whole_clip(path), *pair)
        return io.NodeOutput(RewardHandle.managed(model))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
