"""What the backward pass of a FLUX run needs beside weights: counted on small models, scaled to full size.

    COMFYUI_PATH=... python -m benchmarks.memory_estimate [--json docs/memory_estimate.json]

Blocks of ComfyUI's FLUX, the whole KL decoder and a TAESD run forward and backward on the CPU while the bytes of live
tensors are counted, kept and recomputed. What a block takes grows in proportion to tokens x width, what a decoder takes
to pixels; the script checks both by doubling the size. Not counted: what a kernel allocates inside itself, and the
reward.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import numpy as np
import torch

from differentiation import frozen_convolutions, recompute, saved_before_mutation
from tools import comfyui_in_process
from tools.live_memory import LiveMemory

from .flux_scale.geometry import GEOMETRIES, LATENT_CHANNELS
from .memory_tables import SIDES, estimate_table
from .shared import GIB, command_line, write_json

FLUX = GEOMETRIES["full"]


def counted(run: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, context=nullcontext) -> np.ndarray:
    """Bytes kept between the forward and the backward pass of `run`, and what the worst moment of both adds."""
    with context(), LiveMemory() as memory:
        result = run(start.requires_grad_(True))
        kept = memory.live
        torch.autograd.grad(result.sum(), start)
    return np.array([kept, memory.peak - kept])


def frozen(model: torch.nn.Module) -> torch.nn.Module:
    for parameter in model.requires_grad_(False).parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    return model


def block_stack(width: int, tokens: int, double: int, single: int, recomputed: bool) -> np.ndarray:
    """Kept and working memory of so many blocks, in elements per token and channel."""
    import comfy.ops
    from comfy.ldm.flux.layers import DoubleStreamBlock, EmbedND, SingleStreamBlock

    heads, text = width // 128, tokens // 4
    make = dict(mlp_ratio=4.0, dtype=torch.float32, operations=comfy.ops.disable_weight_init)
    doubles = [frozen(DoubleStreamBlock(width, heads, qkv_bias=True, **make)) for _ in range(double)]
    singles = [frozen(SingleStreamBlock(width, heads, **make)) for _ in range(single)]
    if recomputed:
        for block in (*doubles, *singles):
            block.forward = recompute(block.forward)
    pe = EmbedND(dim=128, theta=10000, axes_dim=[16, 56, 56])(torch.zeros(1, tokens, 3))
    vec, txt = torch.randn(1, width), torch.randn(1, text, width)

    def run(x: torch.Tensor) -> torch.Tensor:
        img, words = x * 1, txt.clone()
        for block in doubles:
            img, words = block(img, words, vec, pe)
        img = torch.cat((words, img), 1)
        for block in singles:
            img = block(img, vec, pe)
        return img

    context = nullcontext if recomputed else saved_before_mutation
    return counted(run, torch.randn(1, tokens - text, width), context) / (4 * tokens * width)


def transformer(scale: int, recomputed: bool) -> np.ndarray:
    """Kept and working memory of the whole FLUX.1, in elements per token and channel."""
    base, one_double, one_single = (
        block_stack(256 * scale, 128 * scale, *blocks, recomputed) for blocks in ((1, 1), (2, 1), (1, 2)))
    return base + (FLUX.double_blocks - 1) * (one_double - base) + (FLUX.single_blocks - 1) * (one_single - base)


def decoder(scale: int, recomputed: bool) -> np.ndarray:
    """Kept and working memory of the KL decoder, in elements per pixel."""
    from comfy.ldm.modules.diffusionmodules.model import AttnBlock, Decoder, ResnetBlock

    model = Decoder(ch=128, out_ch=3, ch_mult=(1, 2, 4, 4), num_res_blocks=2, attn_resolutions=[], in_channels=3,
                    resolution=256, z_channels=LATENT_CHANNELS)
    for module in model.modules() if recomputed else ():
        if isinstance(module, ResnetBlock | AttnBlock):
            module.forward = recompute(module.forward, changes_inputs=False)
    return per_pixel(model, scale)


def tiny_decoder(scale: int) -> np.ndarray:
    from comfy.taesd.taesd import Decoder

    return per_pixel(Decoder(latent_channels=LATENT_CHANNELS), scale)


def per_pixel(model: torch.nn.Module, scale: int) -> np.ndarray:
    side = 8 * scale
    with frozen_convolutions(frozen(model)):
        return counted(lambda z: model(z * 1), torch.randn(1, LATENT_CHANNELS, side, side)) / (4 * (8 * side) ** 2)


MEASURES = {
    "transformer, keep": partial(transformer, recomputed=False),
    "transformer, recompute": partial(transformer, recomputed=True),
    "VAE, keep": partial(decoder, recomputed=False),
    "VAE, recompute": partial(decoder, recomputed=True),
    "TAESD": tiny_decoder,
}


def gib(picture: int, units: dict[str, np.ndarray]) -> dict:
    """Of a picture of so many pixels a side at 16 bit: kept and working memory of each part, the peak of each run."""
    elements = {"transformer": ((picture // 16) ** 2 + FLUX.text_tokens) * 128 * FLUX.heads, "VAE": picture**2,
                "TAESD": picture**2}
    row = {name: (2 * elements[name.split(",")[0]] * unit / GIB).tolist() for name, unit in units.items()}
    for model, decoder in (("transformer, keep", "VAE, keep"), ("transformer, recompute", "VAE, recompute"),
                           ("transformer, recompute", "TAESD")):
        kept, working = row[model]
        row[f"{model} + {decoder}"] = kept + max(working, sum(row[decoder]))
    return {"picture": picture, **row}


def main() -> None:
    parser = command_line("memory_estimate", __doc__)
    options = parser.parse_args()
    comfyui_in_process.start_for(parser)
    import comfy.model_management

    comfy.model_management.in_training = True
    units = {}
    for name, measure in MEASURES.items():
        small, units[name] = measure(1), measure(2)
        assert abs(units[name].sum() / small.sum() - 1) < 0.1, f"{name} does not scale as assumed: {small}"
    rows = [gib(side, units) for side in SIDES]
    print(estimate_table(rows))
    write_json(options.json, {"elements": {name: unit.tolist() for name, unit in units.items()}, "gib": rows})


if __name__ == "__main__":
    main()
