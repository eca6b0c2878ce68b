"""Time of the projection onto the white Gaussian set against one FFT there and back of the same tensor.

    python -m benchmarks.projection [--threads 1 2] [--repeats 15] [--json docs/projection.json]

The two are timed in turn, and the table gives the least of the repeats, in milliseconds of processor time with
one thread, so that what else runs on the machine hardly counts, and of elapsed time otherwise. The FFT is the one
that the spectrum needs: over the flattened sample, over each channel, or over the whole volume. Small tensors show
what a projection costs however little there is to do, long samples what each value costs. `noise` is white noise,
where nearly every block keeps all its bins; `outliers` has Cauchy tails, where many blocks have bins to drop. It
reports and decides nothing.
"""

import itertools
import math

import torch

from preconditioning import project_white_gaussian

from .shared import command_line, least_milliseconds, machine, write_json

# Samples: latents of the demo world, SD, SDXL or FLUX at 1024 pixels, a small video, and long rows.
LATENTS = ((16, 8, 8), (4, 64, 64), (16, 128, 128), (4, 4, 64, 64))
ROWS = ((65_536,), (262_144,), (1_048_576,))
BATCHES = (1, 8)
LINE = ("{device:>6} {threads:>7} {input:>8} {sample:>15} {batch:>5} {fft_pair_ms:>11.3f} {projection_ms:>13.3f} "
        "{ratio:>5.1f}")


def fft_pair(x: torch.Tensor) -> torch.Tensor:
    flat = x.flatten(1)
    return torch.fft.irfft(torch.fft.rfft(flat, norm="ortho"), n=flat.shape[1], norm="ortho")


def noise_and_outliers(shape: tuple[int, ...], seed: int) -> dict[str, torch.Tensor]:
    """Both of that shape, the second with Cauchy tails."""
    generator = torch.Generator().manual_seed(seed)
    noise, divisors = (torch.randn(shape, generator=generator) for _ in range(2))
    return {"noise": noise, "outliers": noise / divisors.abs().clamp_min(1e-6)}


def main() -> None:
    parser = command_line("projection", __doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="CPU threads, one table each")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()

    places = [("cpu", threads) for threads in options.threads]
    places += [("cuda", options.threads[-1])] * torch.cuda.is_available()
    rows = []
    print(" device threads    input          sample batch fft pair ms projection ms ratio")
    for (device, threads), shape, batch in itertools.product(places, LATENTS + ROWS, BATCHES):
        torch.set_num_threads(threads)
        for name, x in noise_and_outliers((batch, *shape), math.prod(shape) + batch).items():
            x = x.to(device)
            pair, projection = least_milliseconds(
                [lambda: fft_pair(x), lambda: project_white_gaussian(x)], options.repeats, x.device)  # noqa: B023
            rows.append({"device": device, "threads": threads, "input": name, "sample": " x ".join(map(str, shape)),
                         "batch": batch, "dtype": "float32",
                         "clock": "process_time" if (device, threads) == ("cpu", 1) else "perf_counter",
                         "fft_pair_ms": pair, "projection_ms": projection, "ratio": projection / pair})
            print(LINE.format(**rows[-1]), flush=True)
    write_json(options.json, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
