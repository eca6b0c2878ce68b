"""The ways of starting ComfyUI that place weights differently, and runs in such servers, one after another."""

import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open

from tools.comfyui_server import ComfyServer, PromptFailed, ServerError

from ..shared import GIB
from .models import Subject
from .report import Run

NODE_FOLDER = Path(__file__).parent / "gradient_node"
LOG_LINES = 60
SECONDS = 3600
# Stands for so many GB that about half of the model's weights find room on the card.
HALF = "HALF"
NO_DYNAMIC = "--disable-dynamic-vram"

# The first one is the reference: everything resident.
WAYS: dict[str, list[tuple[str, ...]]] = {
    "cuda": [
        ("--highvram", NO_DYNAMIC),
        (),  # dynamic VRAM, since 0.16
        ("--disable-async-offload",),
        ("--vram-headroom", HALF),
        (NO_DYNAMIC,),
        (NO_DYNAMIC, "--lowvram"),
        (NO_DYNAMIC, "--reserve-vram", HALF),
        (NO_DYNAMIC, "--async-offload"),
        # with nothing on the card the two ways of bringing weights matter most
        (NO_DYNAMIC, "--novram"),
        (NO_DYNAMIC, "--novram", "--async-offload"),
        (NO_DYNAMIC, "--novram", "--disable-async-offload"),
    ],
    "cpu": [("--cpu",), ("--cpu", "--force-fp32")],
}
COMPUTING = {"float32": ("--fp32-unet", "--fp32-vae"), "bfloat16": ("--bf16-unet",)}


def known_flags(comfyui: Path) -> set[str]:
    """What a ComfyUI folder understands on its command line."""
    return set(re.findall(r'"(--[\w-]+)"', (comfyui / "comfy" / "cli_args.py").read_text(encoding="utf-8")))


def possible_ways(ways: Sequence[tuple[str, ...]],
                  known: set[str]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The different ones that a ComfyUI with these flags can be started in, and those that it cannot."""
    possible, missing = {}, []
    for way in ways:
        # a ComfyUI without this flag has no dynamic VRAM to disable
        asked = tuple(flag for flag in way if flag != NO_DYNAMIC or flag in known)
        if any(flag.startswith("--") and flag not in known for flag in asked):
            missing.append(way)
        else:
            possible[asked] = None
    return list(possible), missing


def with_half(way: tuple[str, ...], facts: dict) -> tuple[str, ...]:
    """The flags with GB in the place of HALF. facts: of a run in which everything was resident.

    As ComfyUI reckons: VAE first, then the model takes what is free but for the reserve and what a step needs, for
    which it assumes 0.8 GiB or more. free_bytes: without these models.
    """
    step = max(facts["required_bytes"], 0.8 * GIB)
    reserve = facts["free_bytes"] - facts["vae_bytes"] - step - facts["model_bytes"] / 2
    return tuple(f"{max(0.0, reserve / GIB):.3f}" if flag == HALF else flag for flag in way)


def write_paths(folder: Path) -> Path:
    """Put the node beside the models in `folder`; the file that tells a server where both are."""
    shutil.copytree(NODE_FOLDER, folder / "custom_nodes" / NODE_FOLDER.name)
    categories = {name: name for name in ("diffusion_models", "vae", "custom_nodes")}
    config = folder / "paths.yaml"
    config.write_text(json.dumps({"benchmark": {"base_path": str(folder), **categories}}), encoding="utf-8")
    return config


def run_on_server(comfyui: Path, paths: Path, flags: tuple[str, ...], subject: Subject, dtype: str,
                  memories: Sequence[str], side: int, steps: int) -> list[Run]:
    """Start a server and take the gradient with each memory mode.

    A run that fails has its reason in `failure`, and the end of the server's log goes to standard error.
    """
    runs = [Run(subject.layout, dtype, flags, memory) for memory in memories]
    arguments = (*(flag for flag in flags if flag != "--cpu"), *COMPUTING[dtype], "--extra-model-paths-config",
                 str(paths), "--whitelist-custom-nodes", ComfyServer.pack_folder, NODE_FOLDER.name)
    server = ComfyServer(comfyui, arguments, cpu="--cpu" in flags)
    try:
        with server:
            for run in runs:
                try:
                    server.run(_prompt(subject, run.memory, side, steps), SECONDS)
                    with safe_open(server.base / "output" / f"{run.memory}.safetensors", "pt") as saved:
                        run.gradient, run.as_run = saved.get_tensor("gradient"), saved.get_tensor("as_run")
                        run.facts = json.loads(saved.metadata()["facts"])
                except PromptFailed as error:
                    kind = error.details.get("exception_type", error.kind)
                    _failed(run, f"{kind}: {error.details.get('exception_message', '').strip()}", server.log())
    except (ServerError, OSError) as error:  # it did not start, is gone, or does not know these models
        for run in runs:
            if run.gradient is None and not run.failure:
                _failed(run, f"{type(error).__name__}: {str(error).splitlines()[0]}", str(error))
    return runs


def _failed(run: Run, why: str, log: str) -> None:
    run.failure = why
    end = "\n".join(log.splitlines()[-LOG_LINES:])
    print(f"{run.layout}, {run.dtype}, {' '.join(run.flags)}, {run.memory}: no gradient\n{end}\n", file=sys.stderr)


def _prompt(subject: Subject, memory: str, side: int, steps: int) -> dict:
    gradient = {
        "model": ["model", 0], "vae": ["vae", 0], "name": memory, "memory": memory, "side": side, "steps": steps,
        "text_tokens": subject.text_tokens, "text_width": subject.text_width, "pooled_width": subject.pooled_width,
    }
    return {
        "model": {"class_type": "UNETLoader", "inputs": {"unet_name": subject.model, "weight_dtype": "default"}},
        "vae": {"class_type": "VAELoader", "inputs": {"vae_name": subject.vae}},
        "gradient": {"class_type": "Benchmark_Gradient", "inputs": gradient},
    }
