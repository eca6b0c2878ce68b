"""Time of the projection onto the white Gaussian set against one rfft + irfft of the same tensor.

    python -m benchmarks.projection [--threads 1 2] [--repeats 15] [--json docs/projection.json]

The two are timed in turn, and the table gives the least of the repeats, in milliseconds of processor time with
one thread, so that what else runs on the machine hardly counts, and of elapsed time otherwise. `noise` is white
noise, where nearly every block keeps all its bins; `outliers` has Cauchy tails, where many blocks have bins to
drop. It reports and decides nothing.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from preconditioning import project_white_gaussian

SIZES = (65_536, 262_144, 1_048_576)
BATCHES = (1, 8)


def fft_pair(x: torch.Tensor) -> torch.Tensor:
    return torch.fft.irfft(torch.fft.rfft(x, norm="ortho"), n=x.shape[-1], norm="ortho")


def milliseconds(call: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, clock: Callable[[], float]) -> float:
    if x.is_cuda:
        torch.cuda.synchronize()
    start = clock()
    call(x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return 1e3 * (clock() - start)


def compare(x: torch.Tensor, repeats: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Least milliseconds of the FFT pair and of the projection, timed in turn after two rounds of warm-up."""
    timings = [(milliseconds(fft_pair, x, clock), milliseconds(project_white_gaussian, x, clock))
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
    print(f"{'device':>6} {'threads':>7} {'input':>8} {'N':>9} {'batch':>5} "
          f"{'fft pair ms':>11} {'projection ms':>13} {'ratio':>5}")
    for device, threads in places:
        torch.set_num_threads(threads)
        clock = time.process_time if (device, threads) == ("cpu", 1) else time.perf_counter
        for length in SIZES:
            for batch in BATCHES:
                generator = torch.Generator().manual_seed(length + batch)
                noise = torch.randn(batch, length, generator=generator)
                outliers = noise / torch.randn(batch, length, generator=generator).abs().clamp_min(1e-6)
                for name, x in (("noise", noise), ("outliers", outliers)):
                    pair, projection = compare(x.to(device), options.repeats, clock)
                    rows.append({"device": device, "threads": threads, "input": name, "elements": length,
                                 "batch": batch, "dtype": "float32", "clock": clock.__name__, "fft_pair_ms": pair,
                                 "projection_ms": projection, "ratio": projection / pair})
                    print(f"{device:>6} {threads:>7} {name:>8} {length:>9} {batch:>5} "
                          f"{pair:>11.2f} {projection:>13.2f} {projection / pair:>5.2f}", flush=True)
    if options.json:
        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        if torch.cuda.is_available():
            machine["gpu"] = torch.cuda.get_device_name()
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
