"""Nodes: rewards that compare the picture with a reference picture."""

import torch
from comfy_api.latest import io

from ..reward_models import ColourPalette, ImageSimilarity, load_image_encoder
from .inputs.sockets import CATEGORY, RewardModel
from .refusals.node_names import check_node
from .rewards.image_layout import to_channels_first
from .rewards.reward_files import NO_ENCODER, backbone_path, encoder_names, modification_times
from .rewards.reward_handle import RewardHandle


class ReferencePalette(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_ReferencePalette",
            display_name="Reference Palette",
            category=CATEGORY,
            description="A reward for the colours of a reference picture, wherever they stand. Needs no model file.",
            search_aliases=["color palette", "color match", "color transfer", "mood"],
            inputs=[io.Image.Input("reference", tooltip="One picture with the wanted colours, of any size.")],
            outputs=[
                RewardModel.Output(
                    "reward",
                    display_name="reward",
                    tooltip="0: the same palette; -2: a difference just seen; -50: another palette altogether.",
                )
            ],
        )

    @classmethod
    def execute(cls, reference) -> io.NodeOutput:
        check_node("Reference Palette")
        with torch.inference_mode(False):
            return io.NodeOutput(RewardHandle.managed(ColourPalette(to_channels_first(reference))))


class ReferenceSimilarity(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_ReferenceSimilarity",
            display_name="Reference Similarity",
            category=CATEGORY,
            description="A reward for showing what reference pictures show, in the eyes of CLIP or SigLIP.",
            search_aliases=["image similarity", "CLIP image score", "style reference", "SigLIP"],
            inputs=[
                io.Image.Input("reference", tooltip="One or several pictures; the similarity is averaged over them."),
                io.Combo.Input(
                    "encoder",
                    options=encoder_names() or [NO_ENCODER],
                    tooltip="A CLIP or SigLIP file from models/reward_models or models/clip_vision.",
                ),
            ],
            outputs=[
                RewardModel.Output(
                    "reward", display_name="reward", tooltip="Cosine of image features: 1 is the reference itself."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, encoder, reference=None):
        return modification_times(backbone_path(encoder))

    @classmethod
    def execute(cls, reference, encoder) -> io.NodeOutput:
        check_node("Reference Similarity")
        path = backbone_path(encoder)
        with torch.inference_mode(False):
            model = ImageSimilarity(load_image_encoder(path), to_channels_first(reference))
        return io.NodeOutput(RewardHandle.managed(model))
