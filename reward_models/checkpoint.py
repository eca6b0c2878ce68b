"""Reading weight files safely: safetensors, and `torch.save` files restricted to tensors.

Tensors are mapped from the file, not loaded, until one is asked for; so the same reader serves the inspection
of a header and the loading of a model. A nesting under "state_dict" and a "module." prefix are removed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of one weight file, by name.

    Attributes:
        path: the file.
        shapes: shape of every tensor.
        read: reads one tensor by its name.
        metadata: the texts in the header of a safetensors file.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor the model cannot do without.

        Raises:
            ValueError: it is absent.
        """
        if name not in self.shapes:
            raise ValueError(f"{self.path.name} is incomplete: it lacks {name}.")
        return self.shapes[name]

    def tensor(self, name: str) -> Tensor:
        """Read one tensor in the dtype of the file."""
        return self.read(name)


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Open a weight file without loading its tensors.

    Raises:
        ValueError: the file is absent, incomplete, not a weight file, compressed, or holds anything but tensors
            with their values.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; choose the weight file inside it (for example model.safetensors).")
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    with open(path, "rb") as file:
        start = file.read(64)
    # First: the bytes before the brace are a length, which may look like the start of the other formats.
    if start[8:9] == b"{":
        return _open_safetensors(path)
    is_torch_file = start.startswith((b"PK", b"\x80"))
    if is_torch_file and path.suffix == ".safetensors":
        # Newer versions of torch.load go by the suffix.
        raise ValueError(f"{path.name} is a torch file under the name of a safetensors file; rename it to .pt.")
    if start.startswith(b"PK"):
        return _open_torch_archive(path)
    if is_torch_file:
        return _open_torch_file(path, mmap=False)
    if start.lstrip()[:1] == b"<" or start.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path.name} is not a weight file but a web page or a Git LFS pointer; download it again.")
    raise ValueError(f"{path.name} is neither a safetensors nor a torch weight file; download it again.")


def _open_safetensors(path: Path) -> Checkpoint:
    try:
        handle = safe_open(path, framework="pt")
    except SafetensorError as error:
        raise _incomplete(path) from error
    stored_names = list(handle.keys())
    names = {name.removeprefix("module."): name for name in stored_names}
    shapes = {name: tuple(handle.get_slice(stored).get_shape()) for name, stored in names.items()}
    return Checkpoint(path, shapes, lambda name: handle.get_tensor(names[name]), handle.metadata() or {})


def _open_torch_archive(path: Path) -> Checkpoint:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError) as error:
        raise _incomplete(path) from error
    parts = {entry.filename.split("/", 1)[-1] for entry in entries}
    if "constants.pkl" in parts or any(part.startswith("code/") for part in parts):
        raise ValueError(
            f"{path.name} is a TorchScript archive, which contains program code and is not loaded. Use the "
            "safetensors file of the same weights (for ViT-L-14.pt: model.safetensors of "
            "openai/clip-vit-large-patch14)."
        )
    _check_sizes(path, entries)
    return _open_torch_file(path, mmap=True)


def _check_sizes(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that holds more than its file (ValueError); torch compresses nothing and would unpack it."""
    size, unpacked = path.stat().st_size, sum(entry.file_size for entry in entries)
    if unpacked > size or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError(
            f"{path.name} unpacks to {unpacked / 1e6:,.1f} MB from {size / 1e6:,.1f} MB, but torch saves weights "
            "uncompressed, so it is not opened; use the file as it was published."
        )


def _open_torch_file(path: Path, mmap: bool) -> Checkpoint:
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # torch's own error class lives in a module that the registry's scanner flags
        if "weights_only" not in str(error).lower():
            raise _incomplete(path) from error
        raise ValueError(
            f"{path.name} holds Python objects besides tensors (a training checkpoint?) and is not loaded. "
            "Use a file with the weights alone; for HPS that is HPS_v2_compressed.pt or "
            "HPS_v2.1_compressed.pt."
        ) from error
    if isinstance(contents, dict) and isinstance(contents.get("state_dict"), dict):
        contents = contents["state_dict"]
    if not isinstance(contents, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in contents.items()
    ):
        raise ValueError(f"{path.name} is not a table of named tensors; a file of model weights is needed.")
    tensors = {name.removeprefix("module."): tensor for name, tensor in contents.items()}
    for name, tensor in tensors.items():
        if not _holds_its_values(tensor):
            raise ValueError(
                f"{path.name} does not hold the values of {name}, whose shape is {tuple(tensor.shape)}: it is sparse, "
                "quantized, repeated or without data; a file of ordinary model weights is needed."
            )
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return Checkpoint(path, shapes, tensors.__getitem__)


def _holds_its_values(tensor: Tensor) -> bool:
    """Whether each value has a place of its own in the file: a copy of the tensor is no larger than what was read."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested or tensor.device.type != "cpu":
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _incomplete(path: Path) -> ValueError:
    return ValueError(f"{path.name} is damaged or incomplete (an interrupted download?); download it again.")
