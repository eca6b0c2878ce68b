"""Node: keep a noise as a file."""

import json
import os

from comfy_api.latest import io

from ..runs.noise_format import write_noise
from ..runs.noise_history import UNKNOWN
from .inputs.sockets import CATEGORY
from .noises.drawn_noise import check_finite, drawn_noise
from .noises.noise_files import FOLDER, new_file, prefix_problem
from .noises.optimized_noise import OptimizedNoise
from .refusals.node_names import check_node


class SaveNoise(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_SaveNoise",
            display_name="Save Noise",
            category=CATEGORY,
            description="Keeps a noise as a file in output/noises, with what is known about it: seed, rewards, scores, "
            "steps. Load Noise brings it back, on this computer or on another one.",
            search_aliases=["export noise", "keep noise", "store noise"],
            inputs=[
                io.Noise.Input("noise", tooltip="The noise to keep: that of the Noise Optimizer, or any other."),
                io.String.Input(
                    "filename_prefix",
                    default="noise",
                    tooltip="How the file's name begins; a number follows. Folders in it (portraits/noise) are made in "
                    "output/noises. %year%, %month%, %day% stand for the date.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="Only for noise that is not optimized, such as RandomNoise: the latent that it is for.",
                ),
            ],
            outputs=[
                io.String.Output("file", display_name="file", tooltip="The name of the file, as Load Noise lists it.")
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, filename_prefix="noise") -> bool | str:
        """Before the run: a name that cannot be written would be known only after the optimization."""
        check_node("Save Noise")
        return prefix_problem(filename_prefix) or True

    @classmethod
    def execute(cls, noise, filename_prefix="noise", latent=None) -> io.NodeOutput:
        if isinstance(noise, OptimizedNoise):
            tensor, history, batch_index = noise.noise, noise.history, noise.batch_index
            check_finite(tensor)
        elif latent is not None:
            tensor, history, batch_index = drawn_noise(noise, latent), UNKNOWN, latent.get("batch_index")
        else:
            raise ValueError(
                "This noise has no size of its own, since it is not optimized: connect the latent that it is for to "
                "Save Noise."
            )
        folder, subfolder, file = new_file(filename_prefix)
        write_noise(os.path.join(folder, file), tensor, noise.seed, history, cls._workflow(), batch_index)
        saved = {"filename": file, "subfolder": os.path.join(FOLDER, subfolder), "type": "output"}
        return io.NodeOutput(os.path.join(subfolder, file), ui={"noises": [saved]})

    @classmethod
    def _workflow(cls) -> dict[str, str]:
        """The workflow, under the names by which the page finds it when the file is dropped on it."""
        import comfy.cli_args

        if comfy.cli_args.args.disable_metadata or cls.hidden.prompt is None:
            return {}
        return {
            name: json.dumps(value)
            for name, value in {"prompt": cls.hidden.prompt, **(cls.hidden.extra_pnginfo or {})}.items()
        }
