"""Node: bring a noise back from its file."""

import hashlib

import torch
from comfy_api.latest import io

from ..runs.noise_format import read_noise
from .inputs.sockets import CATEGORY
from .noises.noise_files import noise_file_names, noise_path
from .noises.optimized_noise import OptimizedNoise


class LoadNoise(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_LoadNoise",
            display_name="Load Noise",
            category=CATEGORY,
            description="Brings back a noise that Save Noise kept. With the same model, prompt and sampler it paints "
            "the same picture again, without optimizing.",
            search_aliases=["import noise", "open noise"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=noise_file_names(),
                    tooltip="A noise in output/noises or, from somebody else, in the input folder. Press R after "
                    "putting one there.",
                )
            ],
            outputs=[
                io.Noise.Output(
                    "noise", display_name="noise", tooltip="Goes into SamplerCustomAdvanced, or Noise Variations."
                ),
                io.Latent.Output(
                    "latent",
                    display_name="latent",
                    tooltip="An empty latent that the noise fits. For image to image take the picture's instead.",
                ),
                io.String.Output("about", display_name="about", tooltip="What is known about the noise, as text."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file):
        with open(noise_path(file), "rb") as opened:
            return hashlib.sha256(opened.read()).hexdigest()

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        saved = read_noise(noise_path(file))
        shape = " x ".join(map(str, saved.noise.shape))
        started = "seed" if not saved.history.seeds else "searched from seed"
        about = f"{file}: latent {shape}, {started} {saved.seed}, saved by version {saved.pack_version}"
        latent = {"samples": torch.zeros_like(saved.noise)}
        if saved.batch_index is not None:
            latent["batch_index"] = saved.batch_index
        return io.NodeOutput(
            OptimizedNoise(saved.seed, saved.noise, saved.history, batch_index=saved.batch_index),
            latent,
            "\n".join(filter(None, [about, saved.history.text()])),
        )
