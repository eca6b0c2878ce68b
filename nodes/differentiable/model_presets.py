"""What each kind of diffusion model needs: the one table of it."""

from dataclasses import dataclass, replace

from torch import nn

from ...preconditioning.recipes import FLUX_LEARNING_RATE, SDXL_LEARNING_RATE


@dataclass(frozen=True)
class ModelPreset:
    """One kind of diffusion model.

    Attributes:
        name: what the user calls it.
        transformer: class of ComfyUI's `diffusion_model`.
        base_model: class of ComfyUI's model around it.
        learning_rate: Adam's step size on unit-variance noise.
        blocks: classes of the modules that can be recomputed in the backward pass, none of them inside another.
        decoding: the cost of decoding a picture by the full VAE, as a multiple of one evaluation of the model.
        known: whether the model is in the table.
    """

    name: str
    transformer: str
    base_model: str
    learning_rate: float
    blocks: tuple[str, ...]
    decoding: float = 0.2
    known: bool = True


FLUX_BLOCKS = ("DoubleStreamBlock", "SingleStreamBlock")
# A SpatialTransformer holds up to ten BasicTransformerBlocks: recomputed one by one, so that only one is in memory.
UNET_BLOCKS = ("ResBlock", "BasicTransformerBlock", "Downsample", "Upsample")

PRESETS = (
    ModelPreset("FLUX.1", "Flux", "Flux", FLUX_LEARNING_RATE, FLUX_BLOCKS, 0.15),
    ModelPreset("FLUX.2", "Flux", "Flux2", FLUX_LEARNING_RATE, FLUX_BLOCKS),
    ModelPreset("Chroma", "Chroma", "Chroma", FLUX_LEARNING_RATE, FLUX_BLOCKS),
    ModelPreset("Z-Image, Lumina 2", "NextDiT", "Lumina2", FLUX_LEARNING_RATE, ("JointTransformerBlock",)),
    ModelPreset(
        "Qwen-Image", "QwenImageTransformer2DModel", "QwenImage", FLUX_LEARNING_RATE, ("QwenImageTransformerBlock",)
    ),
    ModelPreset("Krea 2", "SingleStreamDiT", "Krea2", FLUX_LEARNING_RATE, ("SingleStreamBlock",)),
    ModelPreset("SDXL", "UNetModel", "SDXL", SDXL_LEARNING_RATE, UNET_BLOCKS, 1.55),
    ModelPreset("SD 1 and 2", "UNetModel", "BaseModel", SDXL_LEARNING_RATE, UNET_BLOCKS, 3.1),
)


def preset_for(model_patcher) -> ModelPreset:
    """The preset of the model in a `comfy.model_patcher.ModelPatcher`.

    A relative of a model in the table (the same network in another `base_model`) gets that model's preset under
    its own name. Any other model gets the default learning rate and no blocks, and is not `known`.
    """
    base_model = type(model_patcher.model).__name__
    transformer = type(model_patcher.model.diffusion_model).__name__
    relatives = [preset for preset in PRESETS if preset.transformer == transformer]
    for preset in relatives:
        if preset.base_model == base_model:
            return preset
    if relatives:
        return replace(relatives[0], name=base_model, base_model=base_model)
    return ModelPreset(base_model, transformer, base_model, FLUX_LEARNING_RATE, (), known=False)


def repeated_blocks(diffusion_model: nn.Module) -> list[nn.Module]:
    """The blocks of `diffusion_model` that can be recomputed, in order; empty for a model not in the table."""
    transformer = type(diffusion_model).__name__
    classes = {name for preset in PRESETS if preset.transformer == transformer for name in preset.blocks}
    return [module for module in diffusion_model.modules() if type(module).__name__ in classes]


def learning_rate_text(preset: ModelPreset, chosen: float, factor: float = 1.0) -> str:
    """One sentence for report and log.

    Args:
        chosen: the learning rate that the user set, 0 to follow the preset.
        factor: by how much the method's steps may be longer.
    """
    own = factor * preset.learning_rate
    if not preset.known:
        found = f"set by hand (default: {own:g})" if chosen else "the default"
        return (
            f"{preset.name} is not in the table of known models: learning rate {chosen or own:g}, "
            f"{found}; its blocks cannot be recomputed, everything is kept for the backward pass."
        )
    if chosen:
        return f"{preset.name}: learning rate {chosen:g}, set by hand (preset: {own:g})."
    times = "" if factor == 1 else f"{factor:g} times "
    return f"{preset.name}: learning rate {own:g}, {times}the model's preset."
