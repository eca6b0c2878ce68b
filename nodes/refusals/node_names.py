"""What the nodes beside the Noise Optimizer need of ComfyUI, told before they work.

They import it when they run, so that a ComfyUI without one of these names still offers every node.
"""

from ..differentiable.host_contract import MANAGEMENT, PATCHER, HostName, check_names

_WEIGHTS = (
    HostName(f"{MANAGEMENT}.get_torch_device", "the device of rewards"),
    HostName(f"{MANAGEMENT}.unet_offload_device", "the device of rewards at rest"),
    HostName(PATCHER, "loading rewards"),
)
_BLOCKING = HostName("comfy_execution.graph.ExecutionBlocker", "outputs that have nothing to pass on")
_SCORING = (
    HostName(f"{MANAGEMENT}.load_models_gpu", "loading rewards"),
    HostName(f"{MANAGEMENT}.throw_exception_if_processing_interrupted", "cancelling"),
    _BLOCKING,
)
NODES = {
    "Reward Model Loader": (*_WEIGHTS, HostName(f"{MANAGEMENT}.should_use_bf16", "dtype = auto")),
    "Reference Palette": _WEIGHTS,
    "Reference Similarity": _WEIGHTS,
    "Quality Words": _WEIGHTS,
    "Learn Taste": (
        *_WEIGHTS,
        HostName(f"{MANAGEMENT}.load_models_gpu", "loading the encoder"),
        HostName(f"{MANAGEMENT}.throw_exception_if_processing_interrupted", "cancelling"),
        HostName("comfy.utils.ProgressBar", "its progress"),
    ),
    "Score Images": _SCORING,
    "Rank Results": _SCORING,
    "Pick Images": (_BLOCKING,),
    "Demo World": (
        *_WEIGHTS,
        HostName("comfy.sd.load_diffusion_model", "its model"),
        HostName("comfy.sd.VAE", "its decoder"),
        HostName("comfy.utils.load_torch_file", "its decoder"),
        HostName("comfy.taesd.taesd.Encoder", "its decoder"),
    ),
    "Save Noise": (HostName("comfy.cli_args.args.disable_metadata", "--disable-metadata"),),
}


def check_node(name: str) -> None:
    """Raise ValueError where this ComfyUI lacks a name that the node, called as on the page, needs."""
    check_names(NODES[name], name)
