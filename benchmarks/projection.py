"""Time of the projection onto the white Gaussian set against one FFT there and back of the same tensor.

    python -m benchmarks.projection [--threads 1 2] [--repeats 15] [--json docs/projection.json]

The two are timed in turn, and the table gives the least of the repeats, in milliseconds of processor time with
one thread, so that what else runs on the machine hardly counts, and of elapsed time otherwise. The FFT is the one
that the spectrum needs: over the flattened sample, over each channel, or over the whole volume. Small tensors show
what a projection costs however little there is to do, long samples what each value costs. `noise` is white noise,
where nearly every block keeps all its bins; `outliers` has Cauchy tails, where many blocks have bins to drop. It
reports and decides nothing.
"""

import argparse
import json
import math
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from preconditioning import project_white_gaussian
from runs.whole_files import write_text_whole

# Samples: latents of the demo world, SD, SDXL or FLUX at 1024 pixels, a small video, and long rows.
LATENTS = ((16, 8, 8), (4, 64, 64), (16, 128, 128), (4, 4, 64, 64))
ROWS = ((65_536,), (262_144,), (1_048_576,))
BATCHES = (1, 8)


def fft_pair(x: torch.Tensor) -> torch.Tensor:
    flat = x.flatten(1)
    return torch.fft.irfft(torch.fft.rfft(flat, norm="ortho"), n=flat.shape[1], norm="ortho")


def milliseconds(
    call: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, clock: Callable[[], float]
) -> float:
    if x.is_cuda:
        torch.cuda.synchronize()
    start = clock()
    call(x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return 1e3 * (clock() - start)


def compare(x: torch.Tensor, repeats: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Least milliseconds of the FFT pair and of the projection, timed in turn after two rounds of warm-up."""
    timings = [tuple(milliseconds(call, x, clock) for call in (fft_pair, project_white_gaussian))
               for _ in range(repeats + 2)]
    pairs, projections = zip(*timings[2:], strict=True)
    return min(pairs), min(projections)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="CPU threads, one table each")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, help="also write the table to this file")
    options = parser.parse_args()

    places = [("cpu", threads) for threads in options.threads]
    if torch.cuda.is_available():
        places.append(("cuda", options.threads[-1]))
    rows = []
    print(f"{'device':>6} {'threads':>7} {'input':>8} {'sample':>15} {'batch':>5} "
          f"{'fft pair ms':>11} {'projection ms':>13} {'ratio':>5}")
    for device, threads in places:
        torch.set_num_threads(threads)
        clock = time.process_time if (device, threads) == ("cpu", 1) else time.perf_counter
        for shape in (*LATENTS, *ROWS):
            for batch in BATCHES:
                generator = torch.Generator().manual_seed(math.prod(shape) + batch)
                noise = torch.randn(batch, *shape, generator=generator)
                outliers = noise / torch.randn(batch, *shape, generator=generator).abs().clamp_min(1e-6)
                sample = " x ".join(map(str, shape))
                for name, x in (("noise", noise), ("outliers", outliers)):
                    pair, time_taken = compare(x.to(device), options.repeats, clock)
                    rows.append({"device": device, "threads": threads, "input": name, "sample": sample,
                                 "batch": batch, "dtype": "float32", "clock": clock.__name__,
                                 "fft_pair_ms": pair, "projection_ms": time_taken, "ratio": time_taken / pair})
                    print(f"{device:>6} {threads:>7} {name:>8} {sample:>15} "
                          f"{batch:>5} {pair:>11.3f} {time_taken:>13.3f} {time_taken / pair:>5.1f}", flush=True)
    if options.json:
        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        if torch.cuda.is_available():
            machine["gpu"] = torch.cuda.get_device_name()
        write_text_whole(options.json, json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
