"""Runs in a ComfyUI server, one after another."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open

from tools.comfyui_server import ComfyServer, PromptFailed, ServerError

from .comparing import Run
from .models import Subject
from .ways import COMPUTING

NODE_FOLDER = Path(__file__).parent / "gradient_node"
LOG_LINES = 60
SECONDS = 3600


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
                    _read(run, server.base / "output" / f"{run.memory}.safetensors")
                except PromptFailed as error:
                    kind = error.details.get("exception_type", error.kind)
                    run.failure = f"{kind}: {error.details.get('exception_message', '').strip()}"
                    _show(run, server.log())
    except (ServerError, OSError) as error:  # it did not start, is gone, or does not know these models
        for run in runs:
            if run.gradient is None and not run.failure:
                run.failure = f"{type(error).__name__}: {str(error).splitlines()[0]}"
                _show(run, str(error))
    return runs


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


def _read(run: Run, file: Path) -> None:
    with safe_open(file, "pt") as saved:
        run.gradient, run.as_run = saved.get_tensor("gradient"), saved.get_tensor("as_run")
        run.facts = json.loads(saved.metadata()["facts"])


def _show(run: Run, log: str) -> None:
    end = "\n".join(log.splitlines()[-LOG_LINES:])
    print(f"{run.layout}, {run.dtype}, {' '.join(run.flags)}, {run.memory}: no gradient\n{end}\n", file=sys.stderr)
