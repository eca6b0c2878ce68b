"""Node: the noise of a good picture for another width and height."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ..preconditioning import resize_white_noise
from ..runs.noise_history import UNKNOWN
from .inputs.sockets import CATEGORY
from .noises.drawn_noise import check_finite, drawn_noise
from .noises.latent_of_noise import repeated, with_channels_of
from .noises.optimized_noise import OptimizedNoise


class ResizeNoise(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_ResizeNoise",
            display_name="Resize Noise",
            category=CATEGORY,
            description="Makes a good noise fit another width and height. Its coarse part, which lays out the picture, "
            "stays; finer noise is drawn anew where the new size has room for it. Noise stays noise.",
            search_aliases=["noise size", "noise resolution", "upscale noise", "aspect ratio", "hires"],
            inputs=[
                io.Noise.Input("noise", tooltip="The noise to resize: optimized, loaded, or any other."),
                io.Latent.Input(
                    "latent_image",
                    tooltip="The latent of the new size, from the same empty-latent node as the first one, or a "
                    "picture's.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="For the fine part that is drawn anew: another seed gives other details in the same "
                    "layout. A smaller size draws none.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="Only for noise that is not optimized, such as RandomNoise: the latent of the old size.",
                ),
            ],
            outputs=[
                io.Noise.Output(
                    "resized",
                    display_name="noise",
                    tooltip="The noise for the new size. Goes into SamplerCustomAdvanced, with the latent from here.",
                ),
                io.Latent.Output(
                    "latent_out",
                    display_name="latent",
                    tooltip="The latent of the new size, once for each picture of the noise: the sampler needs it.",
                ),
            ],
        )

    @classmethod
    def execute(cls, noise, latent_image, seed=0, latent=None) -> io.NodeOutput:
        if isinstance(noise, OptimizedNoise):
            old, history = noise.noise, noise.history
            check_finite(old)
        elif latent is not None:
            old, history = drawn_noise(noise, latent), UNKNOWN
        else:
            raise ValueError(
                "This noise has no size of its own, since it is not optimized: connect the latent of the old size to "
                "Resize Noise."
            )
        target = _for_pictures_of(old, with_channels_of(old, _with_frames_of(old, latent_image)))
        height, width = target["samples"].shape[-2:]
        resized = resize_white_noise(old, height, width, torch.Generator().manual_seed(seed))
        history = history.varied(f"resized from {old.shape[-1]} x {old.shape[-2]} to {width} x {height}, seed {seed}")
        remedy = "Connect the latent that comes out of Resize Noise to the sampler."
        batch_index = target.get("batch_index")
        return io.NodeOutput(OptimizedNoise(noise.seed, resized, history, remedy, batch_index), target)


def _with_frames_of(noise: Tensor, latent: dict) -> dict:
    """An empty picture LATENT gets the axis of frames that the noise has, as samplers give it that of their model."""
    samples = latent["samples"]
    if samples.is_nested or samples.ndim != 4 or noise.ndim != 5 or samples.any():
        return latent
    return {**latent, "samples": samples.unsqueeze(2)}


def _for_pictures_of(noise: Tensor, latent: dict) -> dict:
    """The LATENT, its one picture repeated for those of the noise (B, C, ...).

    Raises:
        ValueError: it differs from the noise in more than width and height.
    """
    samples = latent["samples"]
    if samples.is_nested:
        raise ValueError("latent_image holds several latents of different shape: connect a picture latent.")
    if noise.ndim < 4 or samples.shape[1:-2] != noise.shape[1:-2]:
        raise ValueError(
            f"The noise has shape {tuple(noise.shape)} and latent_image {tuple(samples.shape)}: only the last two "
            "numbers, height and width, may differ. Connect a latent for the same kind of model."
        )
    pictures = len(noise)
    if len(samples) == 1 and pictures > 1:
        return repeated(latent, slice(None), pictures)
    if len(samples) != pictures:
        raise ValueError(
            f"The noise is for {pictures} {'picture' if pictures == 1 else 'pictures'}, but latent_image holds "
            f"{len(samples)}: set its batch_size to {pictures}."
        )
    return latent
