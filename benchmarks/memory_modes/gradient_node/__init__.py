"""A node for a server under measurement: the gradient that the pack computes there, and what it costs."""


async def comfy_entrypoint():
    from .gradient import GradientExtension

    return GradientExtension()
