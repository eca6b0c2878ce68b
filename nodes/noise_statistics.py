"""Node: does this noise look like noise?"""

import numpy as np
import torch
from comfy_api.latest import io

from ..figures import draw_noise_statistics
from ..preconditioning import describe_whiteness
from .inputs.sockets import CATEGORY
from .noises.drawn_noise import drawn_noise


class NoiseStatistics(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_NoiseStatistics",
            display_name="Noise Statistics",
            category=CATEGORY,
            description="Draws what makes noise noise: its values against the bell curve, its power spectrum, the "
            "likeness of neighbours, the energy per block; and says in words whether it looks white.",
            search_aliases=["histogram", "spectrum", "whiteness", "autocorrelation", "inspect noise"],
            inputs=[
                io.Latent.Input(
                    "latent",
                    tooltip="The latent that the noise is for. Without a noise connected, this latent itself is drawn.",
                ),
                io.Noise.Input("noise", optional=True, tooltip="The noise to look at, of any kind."),
            ],
            outputs=[
                io.Image.Output("picture", display_name="picture", tooltip="Four plots, 1024 pixels wide."),
                io.String.Output("verdict", display_name="verdict", tooltip="One line for each sample of the batch."),
            ],
        )

    @classmethod
    def execute(cls, latent, noise=None) -> io.NodeOutput:
        samples = latent["samples"] if noise is None else drawn_noise(noise, latent)
        if samples.is_nested:
            raise ValueError("The latent holds several latents of different shape: connect a picture latent.")
        verdict = describe_whiteness(samples)
        picture = np.asarray(draw_noise_statistics(samples.float().cpu().numpy(), verdict), dtype=np.float32) / 255
        return io.NodeOutput(torch.from_numpy(picture)[None], verdict)
