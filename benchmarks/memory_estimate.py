"""What the backward pass of a FLUX run needs beside weights: counted on small models, scaled to full size.

    COMFYUI_PATH=... python -m benchmarks.memory_estimate [--json docs/memory_estimate.json]

Blocks of ComfyUI's FLUX, the whole KL decoder and a TAESD run forward and backward on the CPU while the bytes of live
tensors are counted, kept and recomputed. What a block takes grows in proportion to tokens x width, what a decoder takes
to pixels; the script checks both by doubling the size. Not counted: what a kernel allocates inside itself, and the
reward.
"""

import argparse
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

from optimization import frozen_convolutions, recompute, saved_before_mutation

from .comparison import comfyui_host
from .live_memory import LiveMemory

DOUBLE_BLOCKS, SINGLE_BLOCKS, WIDTH, TEXT_TOKENS = 19, 38, 3072, 256
SIDES = (512, 768, 1024)
GIB = 2**30


def counted(run: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, context=nullcontext) -> tuple[int, int]:
    """Bytes kept between the forward and the backward pass of `run`, and at the worst moment of both."""
    with context(), LiveMemory() as memory:
        result = run(start.requires_grad_(True))
        kept = memory.live
        torch.autograd.grad(result.sum(), start)
    return kept, memory.peak


def block_stack(width: int, tokens: int, double: int, single: int, recomputed: bool) -> tuple[float, float]:
    """Kept and peak of so many blocks, in elements per token and channel."""
    import comfy.ops
    from comfy.ldm.flux.layers import DoubleStreamBlock, EmbedND, SingleStreamBlock

    heads, text = width // 128, tokens // 4
    make = dict(mlp_ratio=4.0, dtype=torch.float32, operations=comfy.ops.disable_weight_init)
    doubles = [DoubleStreamBlock(width, heads, qkv_bias=True, **make) for _ in range(double)]
    singles = [SingleStreamBlock(width, heads, **make) for _ in range(single)]
    for module in (*doubles, *singles):
        for parameter in module.requires_grad_(False).parameters():
            torch.nn.init.normal_(parameter, std=0.02)
        if recomputed:
            module.forward = recompute(module.forward)
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

    start = torch.randn(1, tokens - text, width)
    context = nullcontext if recomputed else saved_before_mutation
    return tuple(size / (4 * tokens * width) for size in counted(run, start, context))


def transformer(recomputed: bool, width: int = 256, tokens: int = 128) -> tuple[float, float]:
    """Kept and working memory of the whole FLUX.1, in elements per token and channel."""
    base, one_double, one_single = (
        block_stack(width, tokens, *blocks, recomputed) for blocks in ((1, 1), (2, 1), (1, 2))
    )
    kept = base[0] + (DOUBLE_BLOCKS - 1) * (one_double[0] - base[0]) + (SINGLE_BLOCKS - 1) * (one_single[0] - base[0])
    peak = base[1] + (DOUBLE_BLOCKS - 1) * (one_double[1] - base[1]) + (SINGLE_BLOCKS - 1) * (one_single[1] - base[1])
    return kept, peak - kept


def decoder(recomputed: bool, side: int = 64) -> tuple[float, float]:
    """Kept and working memory of the KL decoder, in elements per pixel."""
    from comfy.ldm.modules.diffusionmodules.model import AttnBlock, Decoder, ResnetBlock

    model = Decoder(
        ch=128,
        out_ch=3,
        ch_mult=(1, 2, 4, 4),
        num_res_blocks=2,
        attn_resolutions=[],
        in_channels=3,
        resolution=256,
        z_channels=16,
    )
    if recomputed:
        for module in model.modules():
            if isinstance(module, ResnetBlock | AttnBlock):
                module.forward = recompute(module.forward, changes_inputs=False)
    return _per_pixel(model, side)


def tiny_decoder(side: int = 64) -> tuple[float, float]:
    from comfy.taesd.taesd import Decoder

    return _per_pixel(Decoder(latent_channels=16), side)


def _per_pixel(model: torch.nn.Module, side: int) -> tuple[float, float]:
    for parameter in model.requires_grad_(False).parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    with frozen_convolutions(model):
        kept, peak = counted(lambda z: model(z * 1), torch.randn(1, 16, side // 8, side // 8))
    return kept / (4 * side**2), (peak - kept) / (4 * side**2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_estimate", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args()
    try:
        comfyui_host.start()
    except ValueError as error:
        parser.error(str(error))
    import comfy.model_management

    comfy.model_management.in_training = True
    units = {
        "transformer, keep": (transformer(False), transformer(False, 512, 256)),
        "transformer, recompute": (transformer(True), transformer(True, 512, 256)),
        "VAE, keep": (decoder(False), decoder(False, 128)),
        "VAE, recompute": (decoder(True), decoder(True, 128)),
        "TAESD": (tiny_decoder(), tiny_decoder(128)),
    }
    for name, (small, large) in units.items():
        assert abs(sum(large) / sum(small) - 1) < 0.1, f"{name} does not scale as assumed: {small}, {large}"

    rows = []
    for side in SIDES:
        elements = {"transformer": ((side // 16) ** 2 + TEXT_TOKENS) * WIDTH, "VAE": side**2, "TAESD": side**2}
        rows.append({"picture": side})
        for name, (_, large) in units.items():
            rows[-1][name] = [2 * elements[name.split(",")[0]] * part / GIB for part in large]
    print(f"{'picture':>7}" + "".join(f"{name:>24}" for name in units) + "   GiB at 16 bit: kept + working")
    for row in rows:
        print(f"{row['picture']:>7}" + "".join(f"{row[name][0]:>15.2f} + {row[name][1]:>6.2f}" for name in units))
    print(f"{'':>7} peak of a run: transformer kept + the larger of its own working memory and the decoder")
    for row in rows:
        for run in (("transformer, keep", "VAE, keep"), ("transformer, recompute", "VAE, recompute"),
                    ("transformer, recompute", "TAESD")):
            kept, working = row[run[0]]
            row[" + ".join(run)] = kept + max(working, sum(row[run[1]]))
            print(f"{row['picture']:>7} {' + '.join(run):<48} {row[' + '.join(run)]:>6.1f} GiB")
    if options.json:
        counts = {"elements": {name: unit[1] for name, unit in units.items()}, "gib": rows}
        options.json.write_text(json.dumps(counts, indent=1) + "\n")


if __name__ == "__main__":
    main()
