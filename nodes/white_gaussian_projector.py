"""Node: the projection onto vectors that look like white Gaussian noise."""

from comfy_api.latest import io

from ..preconditioning import WhiteGaussianProjector
from .inputs.sockets import CATEGORY, Preconditioner


class WhiteGaussianProjectorNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_WhiteGaussianProjector",
            display_name="White-Gaussian Projector",
            category=CATEGORY,
            description="Keeps optimized noise looking like noise: every step is projected onto the vectors whose "
            "spectrum is that of white Gaussian noise, so the reward cannot be won by breaking the picture.",
            search_aliases=["GPER", "gradient preconditioning", "noise projection", "whitening"],
            inputs=[
                io.Int.Input(
                    "block_size",
                    default=16,
                    min=2,
                    max=4096,
                    tooltip="Frequencies that share one energy budget. Smaller holds the spectrum flatter and gives "
                    "the optimizer less freedom; larger gives it more. The paper uses 16; useful: 4 to 32.",
                    advanced=True,
                ),
                io.Boolean.Input(
                    "project_gradient",
                    default=True,
                    tooltip="Project each gradient before the step. On: every step has the size and the spread of "
                    "noise. Off: the raw gradient.",
                ),
                io.Boolean.Input(
                    "project_latent",
                    default=True,
                    tooltip="Project the noise after each step. On: the noise keeps the spectrum of noise however "
                    "long you run. Off: it can drift, and the picture with it.",
                ),
            ],
            outputs=[
                Preconditioner.Output(
                    "projector", display_name="projector", tooltip="Goes into the Noise Optimizer's projector input."
                )
            ],
        )

    @classmethod
    def execute(cls, block_size, project_gradient, project_latent) -> io.NodeOutput:
        return io.NodeOutput(WhiteGaussianProjector(block_size, project_gradient, project_latent))
