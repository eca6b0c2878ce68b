"""Node: learn a reward from pictures that one likes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io

from ..reward_models import load_image_encoder
from ..reward_models.checkpoint import open_checkpoint
from ..reward_models.encoder_signature import encoder_signature
from ..reward_models.taste import (
    CAUTION,
    EmbeddingStore,
    Picture,
    Taste,
    check_numbers,
    describe_taste,
    different,
    embedded_lesson,
    in_eight_bits,
    learn,
    without,
)
from .inputs.sockets import CATEGORY, RewardModel
from .refusals.node_names import check_node
from .rewards.image_layout import to_channels_first
from .rewards.picture_folders import folder_pictures, folder_problem, folder_state
from .rewards.reward_files import DEMO_ENCODER, NO_ENCODER, backbone_path, encoder_names, modification_times
from .rewards.reward_handle import RewardHandle
from .rewards.taste_files import keep_taste, name_problem

if TYPE_CHECKING:
    from torch import Tensor

_STORE = EmbeddingStore()


class LearnTaste(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_LearnTaste",
            display_name="Learn Taste",
            category=CATEGORY,
            description="Learns a reward from pictures that you like: 8 or more, from a batch or a folder. It can be "
            "used at once, and is kept as a file for the Reward Model Loader.",
            search_aliases=["personal reward", "train reward", "my style", "likes", "favorites", "preference learning"],
            inputs=[
                io.Combo.Input(
                    "encoder",
                    options=[*(encoder_names() or [NO_ENCODER]), DEMO_ENCODER],
                    tooltip="The eyes: a CLIP or SigLIP file from models/reward_models or models/clip_vision. demo "
                    "world is for the pictures of the Demo World alone.",
                ),
                io.String.Input(
                    "liked_folder",
                    default="",
                    tooltip="A folder in ComfyUI's input with pictures that you like, such as liked. With pictures on "
                    "the input liked, both count. Useful: 30 to 200 pictures; more than 1000 are refused.",
                ),
                io.String.Input(
                    "disliked_folder",
                    default="",
                    tooltip="A folder in ComfyUI's input with pictures that you like less: ordinary ones of your model "
                    "do. Empty, and nothing on the input disliked: broken copies of the liked ones take their place.",
                ),
                io.Float.Input(
                    "caution",
                    default=CAUTION,
                    min=0.0,
                    max=5.0,
                    step=0.1,
                    tooltip="16 heads learn from different draws of your pictures. More caution counts a score less "
                    "where they disagree, so that it is harder to fool. Useful: 1; 0: their mean alone.",
                ),
                io.String.Input(
                    "save_as",
                    default="my taste",
                    tooltip="The taste's name, and its file's in models/reward_models; a taste of the same name is "
                    "replaced. Empty: it is not kept. Press R to see it in the Reward Model Loader.",
                ),
                io.Image.Input("liked", optional=True, tooltip="Pictures that you like, of any size."),
                io.Image.Input(
                    "disliked",
                    optional=True,
                    tooltip="Pictures that you like less. The whole batch that you chose from will do: those that are "
                    "liked as well are left out here.",
                ),
            ],
            outputs=[
                RewardModel.Output(
                    "reward",
                    display_name="reward",
                    tooltip="Goes wherever a reward does. 0: undecided; 2: surely yours; -2: surely not.",
                ),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="How well it tells pictures that it has not seen, in words. Read it before you optimize.",
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, liked_folder="", disliked_folder="", save_as="") -> bool | str:
        """Before the run, which may have painted the pictures first."""
        return (
            folder_problem(liked_folder, "liked_folder")
            or folder_problem(disliked_folder, "disliked_folder")
            or name_problem(save_as)
            or True
        )

    @classmethod
    def fingerprint_inputs(cls, encoder, liked_folder="", disliked_folder="", **others):
        return [modification_times(backbone_path(encoder)), folder_state(liked_folder), folder_state(disliked_folder)]

    @classmethod
    def execute(
        cls, encoder, liked_folder="", disliked_folder="", caution=CAUTION, save_as="", liked=None, disliked=None
    ) -> io.NodeOutput:
        check_node("Learn Taste")
        path = backbone_path(encoder)
        if problem := name_problem(save_as):
            raise ValueError(problem)
        liked_pictures = different(_pictures(liked, liked_folder, "liked_folder"))
        given = _pictures(disliked, disliked_folder, "disliked_folder")
        disliked_pictures = without(different(given), liked_pictures)
        check_numbers(liked_pictures, disliked_pictures, len(given))
        signature = encoder_signature(open_checkpoint(path))
        handle = RewardHandle.managed(load_image_encoder(path))
        head, found = learn(_lesson(handle, path, liked_pictures, disliked_pictures), caution)
        report = describe_taste(len(liked_pictures), len(disliked_pictures), encoder, found)
        if save_as.strip():
            keep_taste(save_as, head, signature, encoder, report)
        taste = Taste(handle.model, head, save_as.strip()).requires_grad_(False).eval()
        return io.NodeOutput(RewardHandle(taste, handle.patchers), report)


def _pictures(images: Tensor | None, folder: str, widget: str) -> list[Picture]:
    """Those of a batch, then those of a folder; either may be missing."""
    import comfy.model_management

    batch = [] if images is None else [in_eight_bits(image) for image in to_channels_first(images)]
    in_folder = folder_pictures(folder, widget, comfy.model_management.throw_exception_if_processing_interrupted)
    return [Picture.of(lambda image=image: image) for image in batch] + in_folder


def _lesson(handle: RewardHandle, path: str, liked: list[Picture], disliked: list[Picture]):
    """Embed the pictures where ComfyUI puts the encoder, with a progress bar."""
    import comfy.model_management
    import comfy.utils

    bar = comfy.utils.ProgressBar(len(liked) + len(disliked))

    def each() -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update(1)

    key = hashlib.sha256(repr((path, modification_times(path))).encode()).hexdigest()
    with torch.inference_mode(False):  # weights that move under inference mode could not take part in a backward pass
        comfy.model_management.load_models_gpu(handle.patchers)
        return embedded_lesson(handle.model, key, liked, disliked, _STORE, each)
