"""What the tests of every kind of model need: a small checkpoint in ComfyUI, and the same weights in diffusers.

Import this module inside tests only: it needs `host`.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import comfy.samplers
import comfy.sd
import comfy.supported_models
import torch
from safetensors.torch import save_file
from torch import Tensor


@dataclass
class Family:
    """One kind of model, small and random.

    stock, vae: as ComfyUI's loaders return them. noise: (2, C, h, w), unit variance. condition: the positive
    conditioning as a node makes it. sigmas: a schedule of this model, one step. reference_rollout(noise, sigmas): the
    denoised latent in the model's space, by diffusers. reference_picture(latent): its picture in [0, 1], likewise.
    """

    stock: object
    vae: object
    noise: Tensor
    condition: list
    sigmas: list[float]
    reference_rollout: Callable[[Tensor, list[float]], Tensor]
    reference_picture: Callable[[Tensor], Tensor]

    @property
    def guider(self) -> comfy.samplers.CFGGuider:
        return self.guided(1.0)

    def guided(self, cfg: float) -> comfy.samplers.CFGGuider:
        """The negative conditioning is the positive one with other text."""
        (text, extra), *_ = self.condition
        result = comfy.samplers.CFGGuider(self.stock)
        result.set_conds(self.condition, [[random_tensor(*text.shape, seed=8), extra]])
        result.set_cfg(cfg)
        return result

    @property
    def two_steps(self) -> list[float]:
        return [self.sigmas[0], 0.3 * self.sigmas[0], 0.0]


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Weights of unit gain: matrices scaled by their inputs, scales around 1, biases around 0."""
    generator = torch.Generator().manual_seed(seed)

    def one(name: str, shape: tuple[int, ...]) -> Tensor:
        values = torch.randn(shape, generator=generator)
        if name.endswith("bias"):
            return 0.1 * values
        if len(shape) == 1 or name.endswith("gamma"):
            return 1 + 0.1 * values
        return values / math.prod(shape[1:]) ** 0.5

    return {name: one(name, shape) for name, shape in shapes.items()}


def random_tensor(*shape: int, seed: int) -> Tensor:
    """Normal values, made in inference mode as a node makes them."""
    with torch.inference_mode():
        return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def load_diffusion_model(weights: dict[str, Tensor], path: Path):
    save_file({name: value.contiguous() for name, value in weights.items()}, path)
    with torch.inference_mode():
        return comfy.sd.load_diffusion_model(str(path))


@contextmanager
def recognised(small: type) -> Iterator[None]:
    """Let ComfyUI's detection know `small`, a subclass of one of its model configs with other sizes."""
    comfy.supported_models.models.insert(0, small)
    try:
        yield
    finally:
        comfy.supported_models.models.remove(small)


def flow_rollout(velocity: Callable[[Tensor, float], Tensor]) -> Callable[[Tensor, list[float]], Tensor]:
    """Euler's method from pure noise for a flow model's `velocity(x, sigma)`."""

    def rollout(noise: Tensor, sigmas: list[float]) -> Tensor:
        x = noise
        for sigma, next_sigma in zip(sigmas[:-1], sigmas[1:], strict=True):
            x = x + velocity(x, sigma) * (next_sigma - sigma)
        return x

    return rollout


def patches(x: Tensor, size: int = 2) -> Tensor:
    """(B, C, h, w) -> tokens (B, (h/size)(w/size), C size size), as FLUX packs them."""
    b, c, h, w = x.shape
    x = x.reshape(b, c, h // size, size, w // size, size)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // size**2, c * size**2)


def unpatched(tokens: Tensor, c: int, h: int, w: int, size: int = 2) -> Tensor:
    x = tokens.reshape(-1, h // size, w // size, c, size, size)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(-1, c, h, w)


def image_ids(h: int, w: int, axes: int = 3) -> Tensor:
    """Positions (h w, axes): row and column in axes 1 and 2."""
    rows, columns = torch.meshgrid(torch.arange(float(h)), torch.arange(float(w)), indexing="ij")
    ids = torch.zeros(h, w, axes)
    ids[..., 1], ids[..., 2] = rows, columns
    return ids.reshape(h * w, axes)
