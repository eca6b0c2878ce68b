"""What methods are compared on, and the demo world as such: its target, two held-out rewards, two judges of realism."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

from demo_world import load_world
from demo_world.scene import plan
from demo_world.taste import taste
from demo_world.world import ASSETS
from preconditioning.recipes import FLUX_LEARNING_RATE

from ..shared import digest
from .scene_reader import ASSET, SceneReader

DECODER_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CHUNK = 512  # of candidates, planned at once
SOUND_SEED = 80  # no stage of the demo world's training has it


def weights_digest() -> str:
    """Of the demo world's networks and the scene reader."""
    files = [*sorted(ASSETS.glob("*.safetensors")), ASSET]
    return digest(*(hashlib.sha256(file.read_bytes()).digest() for file in files))


class Subject(Protocol):
    """A generator, the reward that is climbed, and those who watch.

    name: for titles and file names. size: of the pictures, in pixels. latent_shape: (C, H, W) of one noise. prompts:
    noise i gets prompt i modulo their number. learning_rate: of Adam, as the node takes it for such a model. held_out:
    scores by name, larger is better. judges: realism errors by name, per picture, smaller is better. Pictures are
    (B, 3, H, W) in [0, 1], scores and errors (B,).
    """

    name: str
    size: int
    latent_shape: tuple[int, ...]
    prompts: Sequence[str]
    learning_rate: float
    held_out: dict[str, Callable[[Tensor, list[str]], Tensor]]
    judges: dict[str, Callable[[Tensor], Tensor]]

    def generate(self, noise: Tensor, prompts: list[str]) -> Tensor:
        """Pictures of noises (B, C, H, W) as the methods see them; differentiable unless under no_grad."""

    def reward(self, images: Tensor, prompts: list[str]) -> Tensor:
        """The target."""

    def feature_distance(self, images: Tensor) -> float | None:
        """Frechet distance of the pictures' features to those of true pictures; None where no such are known."""

    def sound_pictures(self, count: int) -> Tensor | None:
        """Pictures as good for the target as they can be without any optimized noise; None where none are known."""

    def graph_context(self) -> AbstractContextManager:
        """What a forward and its backward run in."""


class DemoSubject:
    """See `Subject`. size: of the pictures, in pixels.

    The decoder takes nine tenths of a step. `decoder_dtype` "bfloat16" makes it more than twice as fast on CPUs with
    bfloat16 arithmetic, for every method alike; the gradient then differs by some 9%, as it would on a GPU. Those who
    watch are given a subject of their own, in "float32".
    """

    name = "demo world"
    learning_rate = FLUX_LEARNING_RATE

    def __init__(self, decoder_dtype: str = "float32", size: int = 64) -> None:
        if decoder_dtype not in DECODER_DTYPES:
            raise ValueError(f"unknown decoder dtype {decoder_dtype!r}: choose {' or '.join(DECODER_DTYPES)}")
        self.size, self._world = size, load_world()
        self._reader = SceneReader.load()
        self._dtype = DECODER_DTYPES[decoder_dtype]
        self._decoder = self._world.decoder
        if self._dtype != torch.float32:
            self._decoder = load_world().decoder.to(self._dtype).to(memory_format=torch.channels_last)
        self.latent_shape, self.prompts = (self._world.latent_shape[0], size // 8, size // 8), self._world.prompts
        self.held_out = {
            "held out": lambda images, prompts: self._world.held_out_reward(images),
            "scene reader": lambda images, prompts: self._reader.taste(images),
        }
        self.judges = {"autoencoder": self._world.realism_error, "scene features": self._reader.mahalanobis}

    def generate(self, noise: Tensor, prompts: list[str]) -> Tensor:
        return self.decode(self._world.denoised(noise, prompts))

    def decode(self, latent: Tensor) -> Tensor:
        """Pictures of latents, by the decoder of this subject's dtype."""
        if self._dtype == torch.float32:
            return self._world.decode(latent)
        latent = latent.to(self._dtype).contiguous(memory_format=torch.channels_last)
        return self._decoder(latent).float().clamp(0, 1)

    def reward(self, images: Tensor, prompts: list[str]) -> Tensor:
        return self._world.reward(images)

    def feature_distance(self, images: Tensor) -> float | None:
        return self._reader.frechet_distance(images)

    @torch.no_grad()
    def sound_pictures(self, count: int, candidates: int = 4096) -> Tensor:
        """(count, 3, H, W): what the world can do for the taste without leaving white noise.

        Each picture comes from the one of `candidates` white noises whose scene pleases the taste most, as read off
        the scene itself: no reward network has a say, so there is none to be fooled.
        """
        generator = torch.Generator().manual_seed(SOUND_SEED)
        pictures = []
        for i in range(count):
            prompt = i % len(self.prompts)
            best = []
            for _ in range(0, candidates, CHUNK):
                noise = torch.randn(CHUNK, *self.latent_shape, generator=generator)
                tastes = taste(plan(noise, torch.full((CHUNK,), prompt)))
                best.append((tastes.max(), noise[tastes.argmax(), None]))
            noise = max(best, key=lambda found: found[0])[1]
            pictures.append(self.generate(noise, [self.prompts[prompt]]))
        return torch.cat(pictures)

    def graph_context(self) -> AbstractContextManager:
        return nullcontext()
