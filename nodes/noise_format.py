"""A noise as a file: safetensors, one tensor, its history as JSON strings in the header."""

import json
import os
from dataclasses import dataclass

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .noise_history import NoiseHistory
from .pack_version import PACK_VERSION

FORMAT = "gper-noise"
FORMAT_VERSION = 1
TENSOR = "noise"


@dataclass(frozen=True)
class SavedNoise:
    """noise: (B, C, ...) on the CPU. seed: of the noise it grew from. pack_version: that wrote the file."""

    noise: Tensor
    seed: int
    history: NoiseHistory
    pack_version: str


def write_noise(path: str, noise: Tensor, seed: int, history: NoiseHistory, workflow: dict[str, str]) -> None:
    """Write a noise (B, C, ...) as it is, no rounding. workflow: more header entries, as ComfyUI reads them."""
    header = {
        **workflow,
        "format": FORMAT,
        "format_version": json.dumps(FORMAT_VERSION),
        "pack_version": json.dumps(PACK_VERSION),
        "seed": json.dumps(seed),
        "shape": json.dumps(list(noise.shape)),
        **history.header(),
    }
    save_file({TENSOR: noise.detach().cpu().contiguous()}, path, header)


def read_noise(path: str) -> SavedNoise:
    """Read what `write_noise` wrote.

    Raises:
        ValueError: the file is damaged, no noise of this pack, or from a newer version of it.
    """
    name = os.path.basename(path)
    try:
        with safe_open(path, framework="pt") as file:
            header, tensors = file.metadata() or {}, set(file.keys())
            noise = file.get_tensor(TENSOR) if header.get("format") == FORMAT and TENSOR in tensors else None
    except SafetensorError as error:
        raise ValueError(f"{name} is damaged or only half copied: copy it again. ({error})") from error
    if noise is None:
        raise ValueError(f"{name} holds no noise: choose a file that the Save Noise node wrote.")
    try:
        version = json.loads(header["format_version"])
        if version > FORMAT_VERSION:
            raise ValueError(
                f"{name} was written by version {json.loads(header['pack_version'])} of this pack, which stores noise "
                f"in another way than this version, {PACK_VERSION}: update the pack."
            )
        saved = SavedNoise(
            noise, int(json.loads(header["seed"])), NoiseHistory.from_header(header), json.loads(header["pack_version"])
        )
        shape = json.loads(header["shape"])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"The header of {name} is damaged ({error!r}): copy or save the noise again.") from error
    if list(noise.shape) != shape or noise.ndim < 3 or not noise.is_floating_point():
        raise ValueError(
            f"{name} says that its noise has the shape {shape}, but holds {noise.dtype} of shape {list(noise.shape)}: "
            "copy or save the noise again."
        )
    if not torch.isfinite(noise).all():
        raise ValueError(f"{name} holds values that are not finite: optimize again and save the new noise.")
    return saved
