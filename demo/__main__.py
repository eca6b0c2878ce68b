"""Optimize noise in the demo world, with the projector and without, and leave a picture of it.

    python run.py demo

With COMFYUI_PATH set, the same is done by workflows/demo.json in that ComfyUI, headless. Everything shown is
computed here and now.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from safetensors.torch import save_file

from demo_world import load_world
from tools.comfyui_installs import newest_comfyui

from .picture import draw
from .run import Run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python run.py demo", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="folder for the results")
    parser.add_argument("--batch", type=int, default=4, help="pictures at once")
    parser.add_argument("--size", type=int, default=256, choices=(64, 128, 256), help="pixels")
    parser.add_argument("--steps", type=int, default=20, help="updates of the noise")
    parser.add_argument("--step-size", type=float, default=0.05, help="learning rate of the first step")
    parser.add_argument("--seed", type=int, default=3, help="seed of the start noise")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    world = load_world()
    settings = (options.batch, options.size, options.steps, options.step_size, options.seed)
    if os.environ.get("COMFYUI_PATH"):
        from .in_comfyui import run_in_comfyui

        runs = run_in_comfyui(newest_comfyui(), world, *settings)
    else:
        from .in_torch import run_in_torch

        runs = run_in_torch(world, *settings)
    _save(runs, options.out)
    _summarize(runs, options.out)
    return 0


def _save(runs: list[Run], folder: Path) -> None:
    draw(runs).save(folder / "demo.png")
    save_file({run.name.replace(" ", "_"): run.noise.contiguous() for run in runs}, folder / "noise.safetensors")
    results = [{"name": run.name, **run.numbers(), "rewards": run.rewards.tolist()} for run in runs]
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _summarize(runs: list[Run], folder: Path) -> None:
    names = list(runs[0].numbers())
    print("\n" + " " * 20 + "".join(f"{name:>17}" for name in names))
    for run in runs:
        print(f"{run.name:20}" + "".join(f"{value:17.3f}" for value in run.numbers().values()))
    print(
        "\nreward: what was optimized. held-out reward: the same taste, learned by another network. realism error: "
        "how far\na denoiser that knows only true pictures has to change these (lower is better)."
        f"\n\npicture  {folder / 'demo.png'}\nnoise    {folder / 'noise.safetensors'}"
        f"\nnumbers  {folder / 'results.json'}"
    )


if __name__ == "__main__":
    sys.exit(main())
