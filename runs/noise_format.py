"""A noise as a file: safetensors, one tensor, its history as JSON strings in the header."""

import json
import os
from dataclasses import dataclass

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .noise_history import NoiseHistory
from .pack_version import PACK_VERSION
from .whole_files import written_whole

FORMAT = "gper-noise"
FORMAT_VERSION = 1
TENSOR = "noise"
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class SavedNoise:
    """What a file of a noise holds.

    Attributes:
        noise: (B, C, ...) on the CPU, of one of `DTYPES`.
        seed: of the noise it grew from.
        history: how it came about.
        pack_version: that wrote the file.
        batch_index: of the latent it was made for; None where that had none, and in files from before it was kept.
    """

    noise: Tensor
    seed: int
    history: NoiseHistory
    pack_version: str
    batch_index: list[int] | None = None


def write_noise(
    path: str,
    noise: Tensor,
    seed: int,
    history: NoiseHistory,
    workflow: dict[str, str],
    batch_index: list[int] | None = None,
) -> None:
    """Write a noise, without rounding; the same one gives the same bytes. The file is there as a whole or not at all.

    Args:
        path: of the file; one that is there gives way.
        noise: (B, C, ...), on any device, of one of `DTYPES`.
        seed, history, batch_index: as in `SavedNoise`.
        workflow: more header entries, as ComfyUI reads them.

    Raises:
        OSError: it cannot be written; says so in one line.
    """
    header = {
        **workflow,
        "format": FORMAT,
        "format_version": json.dumps(FORMAT_VERSION),
        "pack_version": json.dumps(PACK_VERSION),
        "seed": json.dumps(seed),
        "shape": json.dumps(list(noise.shape)),
        **({} if batch_index is None else {"batch_index": json.dumps(batch_index)}),
        **history.header(),
    }
    try:
        data = _with_sorted_header(save({TENSOR: noise.detach().cpu().contiguous()}, header))
        with written_whole(path) as partial, open(partial, "wb") as file:
            file.write(data)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OSError(
            f"The noise could not be written to {path} ({reason}): make room there, or choose another filename_prefix."
        ) from error


def _with_sorted_header(data: bytes) -> bytes:
    """A safetensors file with the entries of its header in order; the library writes them in a random one.

    The format: the length of the header in 8 bytes, little-endian; the header, JSON padded with blanks; the tensors,
    whose places count from the end of the header.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def read_noise(path: str) -> SavedNoise:
    """Read what `write_noise` wrote.

    Raises:
        ValueError: the file is damaged, cannot be read, is no noise of this pack, or from a newer version of it.
    """
    name = os.path.basename(path)
    try:
        with safe_open(path, framework="pt") as file:
            header, tensors = file.metadata() or {}, set(file.keys())
            noise = file.get_tensor(TENSOR) if header.get("format") == FORMAT and TENSOR in tensors else None
    except SafetensorError as error:
        raise ValueError(f"{name} is damaged or only half copied: copy it again. ({error})") from error
    except OSError as error:
        raise ValueError(f"{name} cannot be read: copy it again, or choose another noise. ({error})") from error
    if noise is None:
        raise ValueError(f"{name} holds no noise: choose a file that the Save Noise node wrote.")
    try:
        newer = _whole(header, "format_version") > FORMAT_VERSION
        writer = json.loads(header["pack_version"])
        saved = None if newer else _saved(noise, header)
        shape = None if newer else json.loads(header["shape"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"The header of {name} is damaged ({_short(repr(error))}): copy or save the noise again."
        ) from error
    if newer:
        raise ValueError(
            f"{name} was written by version {_short(str(writer))} of this pack, which stores noise in another way than "
            f"this version, {PACK_VERSION}: update the pack."
        )
    if noise.dtype not in DTYPES or noise.ndim < 3 or noise.numel() == 0:
        raise ValueError(
            f"{name} holds {noise.dtype} of shape {list(noise.shape)}, which is no noise for a picture: choose a file "
            "that the Save Noise node wrote."
        )
    if list(noise.shape) != shape:
        raise ValueError(
            f"{name} says that its noise has the shape {_short(str(shape))}, but holds {list(noise.shape)}: copy or "
            "save the noise again."
        )
    if not torch.isfinite(noise).all():
        raise ValueError(f"{name} holds values that are not finite: optimize again and save the new noise.")
    return saved


def _saved(noise: Tensor, header: dict[str, str]) -> SavedNoise:
    seed = _whole(header, "seed")
    if not -(2**63) <= seed < 2**64:  # what torch takes
        raise ValueError("the seed has more than 64 bits")
    pack_version = json.loads(header["pack_version"])
    batch_index = json.loads(header.get("batch_index", "null"))
    if not isinstance(pack_version, str):
        raise TypeError(f"pack_version is {pack_version!r}")
    if batch_index is not None and not (
        isinstance(batch_index, list)
        and len(batch_index) == len(noise)
        and all(type(index) is int for index in batch_index)
    ):
        raise TypeError(f"batch_index is {batch_index!r}")
    return SavedNoise(noise, seed, NoiseHistory.from_header(header), pack_version, batch_index)


def _whole(header: dict[str, str], name: str) -> int:
    value = json.loads(header[name])
    if type(value) is not int:
        raise TypeError(f"{name} is {value!r}")
    return value


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
