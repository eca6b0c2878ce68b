"""What a FLUX run keeps for its backward pass: counted on small models, scaled to full size.

    COMFYUI_PATH=... python -m benchmarks.memory_estimate

One double and one single block of ComfyUI's FLUX and the whole KL decoder run forward on the CPU at small size while
autograd's saved tensors are counted. What a block saves grows in proportion to tokens x width, what the decoder
saves to pixels; the script checks both by doubling the size. Results go to docs/memory_estimate.json.
"""

import json
import os
import sys
from pathlib import Path

import torch

RESULT = Path(__file__).parent.parent / "docs" / "memory_estimate.json"
DOUBLE_BLOCKS, SINGLE_BLOCKS, WIDTH, TEXT_TOKENS = 19, 38, 3072, 256
GIB = 2**30


def saved_elements(run) -> int:
    """Distinct tensor elements that autograd saves while `run` makes a graph, weights aside."""
    storages = {}

    def pack(tensor):
        if not isinstance(tensor, torch.nn.Parameter):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    count = sum(storages.values())
    del result
    return count


def block_elements(width: int, tokens: int) -> dict[str, int]:
    import comfy.ops
    from comfy.ldm.flux.layers import DoubleStreamBlock, EmbedND, SingleStreamBlock

    heads, text = width // 128, tokens // 4
    make = dict(mlp_ratio=4.0, dtype=torch.float32, operations=comfy.ops.disable_weight_init)
    double = DoubleStreamBlock(width, heads, qkv_bias=True, **make).requires_grad_(False)
    single = SingleStreamBlock(width, heads, **make).requires_grad_(False)
    for module in (double, single):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.02)
    ids = torch.zeros(1, tokens, 3)
    rope = EmbedND(dim=128, theta=10000, axes_dim=[16, 56, 56])(ids)
    vec = torch.randn(1, width)

    def leaf(count):
        return torch.randn(1, count, width, requires_grad=True) * 1

    return {
        "double": saved_elements(lambda: double(leaf(tokens - text), leaf(text), vec, rope)),
        "single": saved_elements(lambda: single(leaf(tokens), vec, rope)),
    }


def decoder_elements(side: int) -> int:
    from comfy.ldm.modules.diffusionmodules.model import Decoder

    decoder = Decoder(
        ch=128,
        out_ch=3,
        ch_mult=(1, 2, 4, 4),
        num_res_blocks=2,
        attn_resolutions=[],
        in_channels=3,
        resolution=256,
        z_channels=16,
    ).requires_grad_(False)
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    return saved_elements(lambda: decoder(torch.randn(1, 16, side // 8, side // 8, requires_grad=True) * 1))


def main() -> int:
    comfyui = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "ComfyUI")
    sys.path.insert(0, str(comfyui))
    from comfy.cli_args import args

    args.cpu = True
    import comfy.model_management

    comfy.model_management.in_training = True
    blocks, doubled = block_elements(256, 128), block_elements(512, 256)
    per_token = {kind: blocks[kind] / (128 * 256) for kind in blocks}
    for kind in blocks:
        assert abs(doubled[kind] / blocks[kind] / 4 - 1) < 0.1, f"{kind} blocks do not scale as assumed"
    decoder, larger = decoder_elements(64), decoder_elements(128)
    assert abs(larger / decoder / 4 - 1) < 0.1, "the decoder does not scale as assumed"

    rows = []
    print(f"{'picture':>10} {'blocks, keep':>14} {'blocks, recompute':>18} {'KL decoder':>12}   GiB at 16 bit")
    for side in (512, 768, 1024):
        tokens = (side // 16) ** 2 + TEXT_TOKENS
        unit = 2 * tokens * WIDTH / GIB
        keep = (DOUBLE_BLOCKS * per_token["double"] + SINGLE_BLOCKS * per_token["single"]) * unit
        recompute = (DOUBLE_BLOCKS + SINGLE_BLOCKS + max(per_token.values())) * unit
        decode = 2 * decoder * (side / 64) ** 2 / GIB
        rows.append({"picture": side, "keep": keep, "recompute": recompute, "kl_decoder": decode})
        print(f"{side:>10} {keep:>14.1f} {recompute:>18.1f} {decode:>12.1f}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"saved_per_token_and_width": per_token, "gib": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
