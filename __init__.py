"""GPER Noise Optimizer: reward-guided noise for few-step image models in ComfyUI."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    from .nodes import NoiseOptimizerExtension

    return NoiseOptimizerExtension()


__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
