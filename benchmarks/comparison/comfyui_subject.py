"""A model in ComfyUI as a subject: published rewards, one of them climbed, the others held out.

Import after `comfyui_host.start`.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import comfy.model_management
import comfy.model_sampling
import comfy.sample
import comfy.samplers
import torch
from torch import Tensor

from differentiation import with_scaled_gradient

from ..comfyui_host import pack_module
from .comfyui_files import ModelFiles, RewardFile, encode, read_prompts

BackwardPlan = pack_module("nodes.differentiable.backward_plan").BackwardPlan
cast_again = pack_module("nodes.differentiable.cast_again").cast_again
EulerRollout = pack_module("nodes.differentiable.euler_rollout").EulerRollout
attention = pack_module("nodes.differentiable.attention")
host_state = pack_module("nodes.differentiable.host_state")
preset_for = pack_module("nodes.differentiable.model_presets").preset_for
freeze_as_ordinary = pack_module("nodes.differentiable.ordinary_tensors").freeze_as_ordinary
decode = pack_module("nodes.differentiable.vae_decode").decode
check_weight_format = pack_module("nodes.refusals.weight_formats").check_weight_format
optimizer_inputs = pack_module("nodes.refusals.optimizer_inputs")

SCHEDULER = "simple"


class ComfyUISubject:
    """See `Subject`. Without prompt guidance (cfg 1), as few-step models are used.

    model, vae: as ComfyUI's loaders give them, loaded outside inference mode. conditionings: by prompt. target,
    held_out: reward handles of the pack; held_out by name. size: of the pictures, in pixels. steps: of the sampler.
    batch: noises that go through the model at once, for the estimate of memory. memory: as in the Noise Optimizer.

    Noise and scores are on the CPU. The only judge that knows nothing of the rewards is the VAE: how badly it
    reproduces a picture. Nothing is known of true pictures here.
    """

    def __init__(self, model, vae, conditionings: dict[str, list], target, held_out: dict[str, object], size: int = 512,
                 steps: int = 1, batch: int = 1, memory: str = "auto") -> None:
        optimizer_inputs.check_vae(vae, model)
        check_weight_format(model, vae.patcher)
        self.name = preset_for(model).name
        self.prompts = tuple(conditionings)
        self._model, self._vae, self._conditionings, self._target = model, vae, conditionings, target
        ratio = vae.spacial_compression_decode()
        latent = comfy.sample.fix_empty_latent_channels(model, torch.zeros(1, 4, size // ratio, size // ratio), ratio)
        self.latent_shape = tuple(latent.shape[1:])
        sampling = model.get_model_object("model_sampling")
        self._sigmas = comfy.samplers.calculate_sigmas(sampling, SCHEDULER, steps)
        optimizer_inputs.check_sigmas(self._sigmas)
        self._plan = BackwardPlan(
            memory, model, vae, target.patchers, [], (batch, *self.latent_shape), {"positive": [{}]},
            len(self._sigmas) - 1,
        )
        self._rollouts: dict[str, EulerRollout] = {}
        self.held_out = {name: _scorer(handle) for name, handle in held_out.items()}
        self.judges = {"autoencoder": self._reconstruction_error}

    @classmethod
    def load(cls, models: ModelFiles, prompts: Path, target: RewardFile, held_out: Sequence[RewardFile],
             size: int = 512, steps: int = 1, batch: int = 1, memory: str = "auto") -> "ComfyUISubject":
        """From file names, see `comfyui_files`. The text encoders are freed once the prompts are encoded."""
        texts = read_prompts(prompts)
        rewards = [file.load() for file in (target, *held_out)]
        model, clip, vae = models.load()
        with torch.no_grad():
            conditionings = encode(clip, texts)
        del clip
        comfy.model_management.cleanup_models_gc()
        return cls(model, vae, conditionings, rewards[0],
                   {handle.model.name: handle for handle in rewards[1:]}, size, steps, batch, memory)

    def generate(self, noise: Tensor, prompts: list[str]) -> Tensor:
        def rolled_out(prompt: str, noise: Tensor) -> Tensor:
            rollout = self._rollout(prompt)
            self._model.pre_run()  # as a guider does before it samples
            return rollout(noise)

        return self.decode(self._by_prompt(rolled_out, noise, prompts))

    def schedule(self, steps: int) -> Tensor:
        """Noise levels (steps + 1,) of a sampling in so many steps. ValueError unless they are a flow model's."""
        sampling = self._model.get_model_object("model_sampling")
        if not isinstance(sampling, comfy.model_sampling.CONST):
            raise ValueError(f"{self.name} is no flow model: choose FLUX, Chroma, Z-Image or Qwen-Image.")
        return comfy.samplers.calculate_sigmas(sampling, SCHEDULER, steps)

    def denoised(self, x: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
        """The latents (B, C, H, W) that the model expects behind `x`, on its device; sigma: a scalar tensor."""

        def one(prompt: str, part: Tensor) -> Tensor:
            rollout = self._rollout(prompt)
            self._model.pre_run()
            level = sigma.to(part) * part.new_ones(len(part))
            return with_scaled_gradient(lambda x: rollout.model(x, level, **rollout.extra_args))(part)

        return self._by_prompt(one, x, prompts).to(x.device)

    def decode(self, latent: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) of latents as the model has them."""
        self._load()
        return decode(self._vae, self._model.model.process_latent_out(latent.to(self._model.load_device)))

    def _by_prompt(self, function: Callable[[str, Tensor], Tensor], x: Tensor, prompts: list[str]) -> Tensor:
        """`function` of each prompt and the samples that have it, in the order of the samples."""
        self._load()
        x = x.to(self._model.load_device)
        order, parts = [], []
        for prompt in dict.fromkeys(prompts):
            rows = [i for i, other in enumerate(prompts) if other == prompt]
            parts.append(function(prompt, x[rows]))
            order += rows
        return torch.cat(parts)[torch.tensor(order).argsort().to(x.device)]

    def reward(self, images: Tensor, prompts: list[str]) -> Tensor:
        return _score(self._target, images, prompts)

    def feature_distance(self, images: Tensor) -> float | None:
        return None

    def sound_pictures(self, count: int) -> Tensor | None:
        return None

    @contextmanager
    def graph_context(self) -> Iterator[None]:
        self._load()
        models = [patcher.model for patcher in self._patchers]
        with host_state.gradients_enabled(), cast_again(*models), self._plan.evaluation():
            yield

    @property
    def _patchers(self) -> list:
        return [self._model, self._vae.patcher, *self._target.patchers]

    def _load(self) -> None:
        """Have everything on its device: a held-out reward may have taken its place. Quick when it is there."""
        comfy.model_management.load_models_gpu(self._patchers, memory_required=self._plan.memory_required)
        for patcher in self._patchers:
            freeze_as_ordinary(patcher.model)

    def _rollout(self, prompt: str) -> EulerRollout:
        """ComfyUI prepares conditioning and model options for a prompt once; they are used in every evaluation."""
        if prompt not in self._rollouts:
            guider = comfy.samplers.CFGGuider(self._model)
            guider.set_conds(self._conditionings[prompt], self._conditionings[prompt])
            guider.set_cfg(1.0)
            empty = torch.zeros(1, *self.latent_shape)
            preparing = _Preparing()
            with torch.no_grad():
                guider.sample(empty, empty, preparing, self._sigmas, disable_pbar=True, seed=0)
            self._rollouts[prompt] = preparing.rollout
        return self._rollouts[prompt]

    @torch.no_grad()
    def _reconstruction_error(self, images: Tensor) -> Tensor:
        """Mean squared error (B,) of encoding and decoding again, by the VAE."""
        self._load()
        latent = self._vae.encode(images.movedim(1, -1).cpu())
        again = decode(self._vae, latent)
        return (again - images.to(again)).square().mean((1, 2, 3)).cpu()


class _Preparing(comfy.samplers.Sampler):
    """A sampler that samples nothing and keeps what it was given: the guider loses its model when it returns."""

    rollout: EulerRollout

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None, denoise_mask=None,
               disable_pbar=False):
        options = attention.with_differentiable_attention(extra_args["model_options"])
        self.rollout = EulerRollout(copy.copy(model_wrap), sigmas, {**extra_args, "model_options": options},
                                    latent_image, denoise_mask, self.max_denoise(model_wrap, sigmas))
        return noise


def _scorer(handle):
    def score(images: Tensor, prompts: list[str]) -> Tensor:
        comfy.model_management.load_models_gpu(handle.patchers)
        with torch.no_grad():
            return _score(handle, images, prompts)

    return score


def _score(handle, images: Tensor, prompts: list[str]) -> Tensor:
    if handle.patchers:
        images = images.to(handle.patchers[0].load_device)
    return handle.model(images, prompts if handle.model.needs_prompt else None).float().cpu()
