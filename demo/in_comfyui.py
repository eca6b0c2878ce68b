"""The demo in a real ComfyUI, headless: workflows/demo.json through its HTTP API."""

import json
import time
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor
from tqdm import tqdm

from demo_world import DemoWorld
from tools.comfyui_server import ComfyServer

from .run import START, WITH, WITHOUT, Run

WORKFLOW = Path(__file__).parent.parent / "workflows" / "api" / "demo.json"
# FLUX's latent format: what leaves a sampler is latent / SCALE + SHIFT.
SCALE, SHIFT = 0.3611, 0.1159


def run_in_comfyui(
    comfyui: Path, world: DemoWorld, batch: int, size: int, steps: int, step_size: float, seed: int
) -> list[Run]:
    """Start, without, with, as ComfyUI computes them; the scene is the workflow's. size: in pixels."""
    prompt = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    only(prompt, "EmptySD3LatentImage")["inputs"].update(width=size, height=size, batch_size=batch)
    only(prompt, "RandomNoise")["inputs"]["noise_seed"] = seed
    only(prompt, "GPER_NoiseOptimizer")["inputs"].update(steps=steps, learning_rate=step_size)
    samplers = [key for key, node in prompt.items() if node["class_type"] == "SamplerCustomAdvanced"]
    runs = []
    print(f"starting ComfyUI in {comfyui}", flush=True)
    with ComfyServer(comfyui) as server:
        for name, projected in ((WITHOUT, False), (WITH, True)):
            only(prompt, "GPER_WhiteGaussianProjector")["inputs"].update(
                project_gradient=projected, project_latent=projected
            )
            for sampler in samplers:
                _save_noise_of(prompt, sampler)
            started = time.perf_counter()
            entry = _run(server, prompt, name, steps)
            seconds = time.perf_counter() - started
            history = torch.tensor(_output(entry, "reward_history"))
            results = {}
            for sampler in samplers:
                optimized = prompt[sampler]["inputs"]["noise"][0] == key_of(prompt, "GPER_NoiseOptimizer")
                save = _downstream(prompt, sampler, "SaveImage")
                results[optimized] = (
                    _pictures(server, entry["outputs"][save]["images"]),
                    _noise(server, entry["outputs"][f"noise_{sampler}"]["latents"][0]),
                )
            if not runs:
                runs.append(Run.judged(START, world, *results[False], history[:1], 0.0))
            runs.append(Run.judged(name, world, *results[True], history, seconds))
    return runs


def _run(server: ComfyServer, prompt: dict, name: str, steps: int) -> dict:
    """Queue the prompt, show the optimizer's progress, return the history entry."""
    optimizer = key_of(prompt, "GPER_NoiseOptimizer")
    prompt_id = ""
    with tqdm(total=steps, desc=f"{name:18}", unit="step") as bar:
        for event in server.follow(prompt, seconds=900):
            if isinstance(event, bytes):
                continue
            prompt_id = event["data"].get("prompt_id", prompt_id)
            if event["type"] == "progress" and event["data"]["node"] == optimizer:
                bar.update(event["data"]["value"] - bar.n)
    return server.wait(prompt_id)


def key_of(prompt: dict, class_type: str) -> str:
    return next(key for key, node in prompt.items() if node["class_type"] == class_type)


def only(prompt: dict, class_type: str) -> dict:
    return prompt[key_of(prompt, class_type)]


def _save_noise_of(prompt: dict, sampler: str) -> None:
    """Let stock nodes save the noise that enters a sampler: at sigma 1 a noisy latent is nothing but the noise."""
    inputs = prompt[sampler]["inputs"]
    model = prompt[inputs["guider"][0]]["inputs"]["model"]
    prompt[f"noisy_{sampler}"] = {
        "class_type": "AddNoise",
        "inputs": {
            "model": model,
            "noise": inputs["noise"],
            "sigmas": inputs["sigmas"],
            "latent_image": [sampler, 0],
        },
    }
    prompt[f"noise_{sampler}"] = {
        "class_type": "SaveLatent",
        "inputs": {"samples": [f"noisy_{sampler}", 0], "filename_prefix": f"noise_{sampler}"},
    }


def _downstream(prompt: dict, start: str, class_type: str) -> str:
    """The node of a type that hangs on `start`."""
    reached = [start]
    for current in reached:
        if prompt[current]["class_type"] == class_type:
            return current
        reached += [
            key for key, node in prompt.items() if any(value == [current, 0] for value in node["inputs"].values())
        ]
    raise ValueError(f"no {class_type} hangs on node {start}")


def _output(entry: dict, name: str) -> list:
    return next(output[name] for output in entry["outputs"].values() if name in output)


def _pictures(server: ComfyServer, files: list[dict]) -> Tensor:
    pictures = np.stack([np.asarray(server.picture(file).convert("RGB")) for file in files])
    return torch.from_numpy(pictures).movedim(-1, 1).float() / 255


def _noise(server: ComfyServer, file: dict) -> Tensor:
    latent = load(server.fetch(f"/view?{urlencode(file)}"))["latent_tensor"].float()
    return (latent - SHIFT) * SCALE
