"""Node: a family of noises around one that is good."""

import torch
from comfy_api.latest import io

from ..preconditioning import vary_white_gaussian
from ..runs.noise_history import UNKNOWN
from .inputs.sockets import CATEGORY
from .noises.drawn_noise import drawn_noise
from .noises.latent_of_noise import repeated, with_channels_of
from .noises.optimized_noise import OptimizedNoise


class NoiseVariations(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_NoiseVariations",
            display_name="Noise Variations",
            category=CATEGORY,
            description="Makes a family out of one good noise: walks a given distance from it towards fresh noises, "
            "and stays noise on the way. Near the start the pictures are siblings, farther away cousins.",
            search_aliases=["variation seed", "slerp noise", "subseed", "similar images"],
            inputs=[
                io.Noise.Input("noise", tooltip="The noise to vary: optimized, loaded, or any other."),
                io.Latent.Input("latent_image", tooltip="The latent that the noise is for."),
                io.Int.Input(
                    "count",
                    default=4,
                    min=1,
                    max=64,
                    tooltip="How many variations, one picture each. More only adds some; the first ones stay.",
                ),
                io.Float.Input(
                    "distance",
                    default=0.2,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    round=False,
                    tooltip="More is less alike. 0: the noise itself; 0.1 to 0.3: the same picture, varied; 0.5: a "
                    "relative; 1: fresh noise.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Which fresh noises to walk to: another seed, another family.",
                ),
                io.Int.Input(
                    "picture",
                    default=0,
                    min=0,
                    max=4096,
                    tooltip="Which picture of a batch to vary: 1 is the first. 0: each of them.",
                    advanced=True,
                ),
            ],
            outputs=[
                io.Noise.Output(
                    "variations",
                    display_name="noise",
                    tooltip="All variations. Goes into SamplerCustomAdvanced, with the latent from here.",
                ),
                io.Latent.Output(
                    "latent",
                    display_name="latent",
                    tooltip="The latent, once for each variation: the sampler needs it.",
                ),
            ],
        )

    @classmethod
    def execute(cls, noise, latent_image, count=4, distance=0.2, seed=0, picture=0) -> io.NodeOutput:
        latent = with_channels_of(noise.noise, latent_image) if isinstance(noise, OptimizedNoise) else latent_image
        base = drawn_noise(noise, latent)
        batch = base.shape[0]
        if picture > batch:
            raise ValueError(
                f"picture is {picture}, but the noise holds {batch}: set it to {batch} or less, or to 0 for each."
            )
        chosen = slice(None) if picture == 0 else slice(picture - 1, picture)
        varied = vary_white_gaussian(base[chosen], distance, count, torch.Generator().manual_seed(seed))
        history = noise.history if isinstance(noise, OptimizedNoise) else UNKNOWN
        of = f"of picture {picture}, " if picture and batch > 1 else ""
        history = history.varied(f"{of}distance {distance:g}, seed {seed}")
        remedy = "Connect the latent that comes out of Noise Variations to the sampler."
        return io.NodeOutput(OptimizedNoise(noise.seed, varied, history, remedy), repeated(latent, chosen, count))
