"""Time and memory of one ascent step at FLUX's scale, with random weights.

    COMFYUI_PATH=... python -m benchmarks.flux_scale [--size small] [--device cpu] [--side 256] [--batch 1]

A step is forward, decode, reward, backward, projection and update. It is compared with forward, decode and reward
without gradients, and with the loop that a user would write on diffusers with its own gradient checkpointing: same
weights, size, decoder and reward, in the same run. Sizes: tiny (to try the script), small (0.3 billion parameters),
full (FLUX.1-schnell). On the CPU the variants take turns and seconds are those of one thread of this process; on a GPU
ComfyUI's side is measured first and unloaded. --caps measures the model in float8 where ComfyUI believes that there are
so many GB of memory; a GPU's allocator gives no more, on the CPU only the choice of what is kept follows it. The
comparison at full size wants a card of 80 GB; on a smaller one give --batch no number, which leaves the --caps.
"""

import gc
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

from tools import comfyui_in_process, random_models

from ..shared import command_line
from . import geometry as flux
from .measuring import matmul_peak, memory_cap
from .ours import Ours
from .peer import Peer
from .report import NAMES, Result, rows_of, table, write

# Relative L2 between the gradients of the two sides: above it the comparison would mean nothing.
SAME_GRADIENT = {torch.float32: 1e-4, torch.bfloat16: 0.1}
CPU = torch.device("cpu")
ROOM_FOR_THE_FULL_MODEL = 40e9  # bytes
PASSES = {"plain": 1, "diffusers, keep": 2, "diffusers, checkpointing": 3}  # ours say what they recomputed


def main() -> int:
    parser = command_line("flux_scale", __doc__)
    parser.add_argument("--size", choices=flux.GEOMETRIES, default="small")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--side", type=int, nargs="+", default=[256], help="pixels")
    parser.add_argument("--batch", type=int, nargs="*", default=[1], help="none: measure only --caps")
    parser.add_argument("--rounds", type=int, default=3, help="repeats of everything")
    parser.add_argument("--steps", type=int, default=2, help="measured steps per round and variant")
    parser.add_argument("--caps", type=float, nargs="*", default=[], help="GB of memory to plan for, in float8")
    options = parser.parse_args()

    device = torch.device(options.device)
    on_cpu = device.type == "cpu"
    total = 0 if on_cpu else torch.cuda.get_device_properties(device).total_memory
    if not on_cpu and any(cap * 1e9 > total for cap in options.caps):
        parser.error(f"--caps: this card has {total / 1e9:.1f} GB")
    dtype = torch.float32 if on_cpu else torch.bfloat16
    if on_cpu:
        torch.set_num_threads(1)
    geometry = flux.GEOMETRIES[options.size]
    peak = matmul_peak(device, dtype, 512 if options.size == "tiny" else 2048 if on_cpu else 8192)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        comfyui_in_process.start_for(parser, on_cpu=on_cpu, base=Path(folder))
        import comfy.model_management

        # On a CPU, ComfyUI's estimates reckon with attention matrices; gradients go through PyTorch's, without.
        comfy.model_management.pytorch_attention_flash_attention = lambda: True
        files = {name: Path(folder) / f"{name}.safetensors" for name in ("transformer", "vae", "taesd")}
        model = random_models.flux_transformer(geometry, device if total > ROOM_FOR_THE_FULL_MODEL else CPU, dtype)
        weights = {"parameters": sum(p.numel() for p in model.parameters()), "token_weights": flux.token_weights(model)}
        random_models.save(model, files["transformer"])
        random_models.save(random_models.autoencoder(device, dtype), files["vae"])
        with random_models.building(2):
            tiny = AutoencoderTiny(latent_channels=flux.LATENT_CHANNELS)
        save_file(random_models.taesd_weights(tiny), files["taesd"])
        del model
        runs = [partial(compare, side, batch, options.rounds) for side in options.side for batch in options.batch]
        runs += [partial(within, cap, side) for cap in options.caps for side in options.side]
        for run in runs:
            results += run(geometry=geometry, files=files, device=device, dtype=dtype, steps=options.steps)
            rows = rows_of(results, weights["token_weights"], peak)
            write(rows, weights, peak, geometry, dtype, device, options.json)
    print(table(rows))
    return 0


def compare(side: int, batch: int, rounds: int, *, geometry, files, device, dtype, steps: int) -> list[Result]:
    """Every variant at one size, in turn."""
    inputs, reward = flux.inputs(geometry, side, batch), flux.reward(geometry, device, dtype)
    tokens = batch * ((side // 16) ** 2 + geometry.text_tokens)
    found = {name: Result(name, side, batch, tokens, PASSES.get(name, 0)) for name in NAMES}
    gradients: dict[str, torch.Tensor] = {}

    def ours() -> list[Callable[[], None]]:
        pack = Ours(files["transformer"], reward, inputs)
        vae, taesd = pack.load_vae(files["vae"]), pack.load_vae(files["taesd"])
        gradients["ours"] = pack.gradient(vae, "recompute")
        return [partial(pack.measure_plain, vae, steps, found["plain"]),
                partial(pack.measure_projection, steps, found["projection"]),
                partial(pack.measure, vae, "keep", steps, found["keep"]),
                partial(pack.measure, vae, "recompute", steps, found["recompute"]),
                partial(pack.measure, taesd, "recompute", steps, found["recompute, TAESD"])]

    def peer() -> list[Callable[[], None]]:
        make = partial(random_models.flux_transformer, geometry)
        transformer = random_models.load(make, files["transformer"], device, dtype)
        vae = random_models.load(random_models.autoencoder, files["vae"], device, dtype)
        loop = Peer(transformer, vae, reward, inputs)
        gradients["peer"] = loop.gradient().cpu()
        return [partial(loop.measure, False, steps, found["diffusers, keep"]),
                partial(loop.measure, True, steps, found["diffusers, checkpointing"])]

    for group in [[ours, peer]] if device.type == "cpu" else [[ours], [peer]]:
        variants = [variant for make in group for variant in _unless_out_of_memory(make) or []]
        for _ in range(rounds):
            for variant in variants:
                _unless_out_of_memory(variant)
        variants, variant = [], None  # the models may go
        _unload()
    if len(gradients) == 2:
        difference = float((gradients["ours"] - gradients["peer"]).norm() / gradients["peer"].norm())
        if not difference < SAME_GRADIENT[dtype]:
            raise RuntimeError(f"The gradients of the two sides differ by {difference:.2g}: they do not compute the "
                               "same.")
        for result in found.values():
            result.gradient_difference = difference
    return list(found.values())


def within(cap: float, side: int, *, geometry, files, device, dtype, steps: int) -> list[Result]:
    """A step with weights in float8 and no more than `cap` GB of the device."""
    result = Result(f"float8, auto, within {cap:g} GB", side, 1, (side // 16) ** 2 + geometry.text_tokens, 3)
    with memory_cap(device, cap * 1e9):
        try:
            pack = Ours(files["transformer"], flux.reward(geometry, device, dtype), flux.inputs(geometry, side, 1),
                        torch.float8_e4m3fn)
            pack.measure(pack.load_vae(files["vae"]), "auto", steps, result)
        except torch.OutOfMemoryError:
            result.seconds.clear()
    _unload()
    return [result]


def _unless_out_of_memory(call: Callable):
    try:
        return call()
    except torch.OutOfMemoryError:
        pass
    gc.collect()  # not before the traceback, which holds the graph, is gone
    torch.cuda.empty_cache()
    return None


def _unload() -> None:
    import comfy.model_management as management

    management.unload_all_models()
    gc.collect()
    management.soft_empty_cache()


if __name__ == "__main__":
    sys.exit(main())
