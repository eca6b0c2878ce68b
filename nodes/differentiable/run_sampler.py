"""A run over noises as a sampler: ComfyUI prepares model, conditioning, LoRA and masks once, and cleans up after it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from ...optimization import RunRecord
from .euler_rollout import EulerRollout
from .guided_sampling import GuidedSampling
from .noise_to_images import images_of

Search = Callable[..., RunRecord]
Map = Callable[[Tensor], Tensor]


def _as_it_is(rollout: Map) -> Map:
    return rollout


@dataclass(frozen=True)
class Prepared:
    """A loaded model, ready for a search.

    Args:
        model_options: the model's, with what the run changes in them.
        staged: wraps the map from noise to latent.
        check: called once with the start noise and the map from noise to images.
        arguments: more arguments for the search.
    """

    model_options: dict
    staged: Callable[[Map], Map] = _as_it_is
    check: Callable[[Tensor, Map], None] = lambda noise, generate: None
    arguments: Mapping[str, Any] = field(default_factory=dict)


def _movable(noise: Tensor, denoise_mask: Tensor | None) -> dict[str, Tensor]:
    """The argument for a search that keeps the noise where the mask keeps the picture; none without such a place."""
    if denoise_mask is None or (denoise_mask > 0).all():
        return {}
    return {"movable": (denoise_mask > 0).expand_as(noise)}


# (guider while it samples, its model options, shape of the noise, sampling steps) -> the loaded model
Prepare = Callable[[comfy.samplers.CFGGuider, dict, tuple[int, ...], int], AbstractContextManager[Prepared]]


class RunSampler(comfy.samplers.Sampler):
    """Runs a search over the noises of `sampling` where a sampler would take its steps.

    Args:
        search: with everything bound but `noise`, `generate`, `reward`, the arguments that `prepare` gives, and
            `movable` where the latent has a noise mask.
        prepare: loads the models.

    After `guider.sample`, `record` is the search's; what it returned is the latent of the best noise.
    """

    def __init__(self, sampling: GuidedSampling, search: Search, prepare: Prepare):
        self.sampling = sampling
        self.search = search
        self.prepare = prepare
        self.record: RunRecord | None = None

    def sample(
        self,
        model_wrap,
        sigmas,
        extra_args,
        callback,
        noise,
        latent_image=None,
        denoise_mask=None,
        disable_pbar=False,
    ):
        options = extra_args["model_options"]
        with self.prepare(model_wrap, options, tuple(noise.shape), len(sigmas) - 1) as prepared:
            rollout = EulerRollout(
                model_wrap,
                sigmas,
                {**extra_args, "model_options": prepared.model_options},
                latent_image,
                denoise_mask,
                self.max_denoise(model_wrap, sigmas),
            )
            generate = images_of(prepared.staged(rollout), model_wrap, self.sampling.vae)
            prepared.check(noise, generate)
            arguments = {**prepared.arguments, **_movable(noise, denoise_mask)}
            self.record = self.search(noise, generate, self.sampling.score, **arguments)
        with torch.no_grad():
            return rollout(self.record.best_noise)

    def run(self) -> tuple[RunRecord, Tensor]:
        """Sample; return the record, its best noise on the CPU, and the best denoised latent there."""
        given = self.sampling
        latent = given.guider.sample(
            given.noise,
            given.latent_image,
            self,
            given.sigmas,
            denoise_mask=given.denoise_mask,
            disable_pbar=True,
            seed=given.seed,
        )
        self.record.best_noise = self.record.best_noise.cpu()
        return self.record, latent.detach().cpu()
