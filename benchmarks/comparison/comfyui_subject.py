"""A model in ComfyUI as a subject: published rewards, one of them climbed, the others held out.

Files go by their names in ComfyUI's folders. Import after `tools.comfyui_in_process.start`.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import comfy.model_management
import comfy.model_sampling
import comfy.sample
import comfy.samplers
import comfy.sd
import comfy.utils
import folder_paths
import torch
from gper_pack.differentiation import with_scaled_gradient
from gper_pack.nodes.differentiable.attention import with_differentiable_attention
from gper_pack.nodes.differentiable.backward_plan import BackwardPlan
from gper_pack.nodes.differentiable.cast_again import cast_again
from gper_pack.nodes.differentiable.euler_rollout import EulerRollout
from gper_pack.nodes.differentiable.host_state import gradients_enabled
from gper_pack.nodes.differentiable.model_presets import preset_for
from gper_pack.nodes.differentiable.ordinary_tensors import freeze_as_ordinary
from gper_pack.nodes.differentiable.vae_decode import decode
from gper_pack.nodes.refusals.optimizer_inputs import check_sigmas, check_vae
from gper_pack.nodes.refusals.weight_formats import check_weight_format
from gper_pack.nodes.reward_model_loader import RewardModelLoader
from torch import Tensor

from .demo_subject import Subject

PROMPTS = Path(__file__).with_name("prompts")
SCHEDULER = "simple"


@dataclass(frozen=True)
class RewardFile:
    """file: in models/reward_models. backbone: as the Reward Model Loader lists it, for heads without one."""

    file: str
    backbone: str = "none"

    @classmethod
    def parse(cls, text: str) -> "RewardFile":
        """FILE, or FILE,FOLDER/BACKBONE."""
        file, _, backbone = text.partition(",")
        return cls(file, backbone or "none")

    def load(self):
        """A `RewardHandle` of the pack; ValueError for a name that is in none of the folders."""
        _path("reward_models", self.file)
        if self.backbone != "none":
            folder, _, name = self.backbone.partition("/")
            _path(folder, name)
        return RewardModelLoader.execute(self.file, backbone=self.backbone)[0]


@dataclass(frozen=True)
class ModelFiles:
    """Either a checkpoint, or a diffusion model with text encoders and a VAE. A VAE beside a checkpoint takes the place
    of its own.

    clip_type: what the text encoders belong to, as in ComfyUI's CLIP loaders: "flux", "sd3", "stable_diffusion", ...
    """

    checkpoint: str | None = None
    diffusion_model: str | None = None
    text_encoders: tuple[str, ...] = ()
    clip_type: str = "flux"
    vae: str | None = None

    def __post_init__(self) -> None:
        if (self.checkpoint is None) == (self.diffusion_model is None):
            raise ValueError("name a checkpoint or a diffusion model, one of the two")
        if self.diffusion_model is not None and not (self.text_encoders and self.vae):
            raise ValueError("a diffusion model needs its text encoders and a VAE: name them too")
        if not hasattr(comfy.sd.CLIPType, self.clip_type.upper()):
            known = ", ".join(kind.name.lower() for kind in comfy.sd.CLIPType)
            raise ValueError(f"there is no clip type {self.clip_type!r}: choose one of {known}")

    def load(self) -> tuple[object, object, object]:
        """Model patcher, CLIP and VAE. ValueError for a name that is in none of the folders."""
        if self.checkpoint is not None:
            model, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(_path("checkpoints", self.checkpoint))
        else:
            model = comfy.sd.load_diffusion_model(_path("diffusion_models", self.diffusion_model))
            clip = comfy.sd.load_clip([_path("text_encoders", name) for name in self.text_encoders],
                                      clip_type=comfy.sd.CLIPType[self.clip_type.upper()])
        if self.vae is not None:
            vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(_path("vae", self.vae)))
        return model, clip, vae


def _path(folder: str, name: str) -> str:
    if folder not in folder_paths.folder_names_and_paths:
        raise ValueError(f"ComfyUI has no models folder {folder!r}: name a backbone as FOLDER/FILE, such as "
                         "clip_vision/clip_l.safetensors")
    path = folder_paths.get_full_path(folder, name)
    if path is None:
        there = ", ".join(folder_paths.get_filename_list(folder)) or "nothing"
        raise ValueError(f"there is no {name!r} in ComfyUI's models folder {folder!r}; it holds: {there}")
    return path


def read_prompts(path: Path) -> tuple[str, ...]:
    """One prompt a line; ValueError for a file that is not there or holds none."""
    if not path.is_file():
        raise ValueError(f"there is no prompt file {path}: name animals, compositions or a file with one prompt a line")
    prompts = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    if not prompts:
        raise ValueError(f"{path} holds no prompt: write one a line")
    return prompts


class ComfyUISubject(Subject):
    """See `Subject`. Without prompt guidance (cfg 1), as few-step models are used.

    model, vae: as ComfyUI's loaders give them, loaded outside inference mode. conditionings: by prompt. target,
    held_out: reward handles of the pack; held_out by name. size: of the pictures, in pixels. steps: of the sampler.
    batch: noises that go through the model at once, for the estimate of memory. memory: as in the Noise Optimizer.

    Noise and scores are on the CPU. The only judge that knows nothing of the rewards is the VAE: how badly it
    reproduces a picture. Nothing is known of true pictures here.
    """

    def __init__(self, model, vae, conditionings: dict[str, list], target, held_out: dict[str, object], size: int = 512,
                 steps: int = 1, batch: int = 1, memory: str = "auto") -> None:
        check_vae(vae, model)
        check_weight_format(model, vae.patcher)
        preset = preset_for(model)
        self.name, self.learning_rate = preset.name, preset.learning_rate
        self.size, self.prompts = size, tuple(conditionings)
        self._model, self._vae, self._conditionings, self._target = model, vae, conditionings, target
        self._patchers = [model, vae.patcher, *target.patchers]
        ratio = vae.spacial_compression_decode()
        latent = comfy.sample.fix_empty_latent_channels(model, torch.zeros(1, 4, size // ratio, size // ratio), ratio)
        self.latent_shape = tuple(latent.shape[1:])
        self._sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), SCHEDULER, steps)
        check_sigmas(self._sigmas)
        self._plan = BackwardPlan(memory, model, vae, target.patchers, [], (batch, *self.latent_shape),
                                  {"positive": [{}]}, len(self._sigmas) - 1)
        self._rollouts: dict[str, EulerRollout] = {}
        self.held_out = {name: _scorer(handle) for name, handle in held_out.items()}
        self.judges = {"autoencoder": self._reconstruction_error}

    @classmethod
    def load(cls, models: ModelFiles, prompts: Path, target: RewardFile, held_out: Sequence[RewardFile],
             size: int = 512, steps: int = 1, batch: int = 1, memory: str = "auto") -> "ComfyUISubject":
        """From files. The text encoders are freed once the prompts are encoded."""
        texts = read_prompts(prompts)
        climbed, *watched = [file.load() for file in (target, *held_out)]
        model, clip, vae = models.load()
        with torch.no_grad():
            conditionings = {text: clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in texts}
        del clip
        comfy.model_management.cleanup_models_gc()
        return cls(model, vae, conditionings, climbed, {handle.model.name: handle for handle in watched}, size, steps,
                   batch, memory)

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

    @contextmanager
    def graph_context(self) -> Iterator[None]:
        self._load()
        models = [patcher.model for patcher in self._patchers]
        with gradients_enabled(), cast_again(*models), self._plan.evaluation():
            yield

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
        again = decode(self._vae, self._vae.encode(images.movedim(1, -1).cpu()))
        return (again - images.to(again)).square().mean((1, 2, 3)).cpu()


class _Preparing(comfy.samplers.Sampler):
    """A sampler that samples nothing and keeps what it was given: the guider loses its model when it returns."""

    rollout: EulerRollout

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None, denoise_mask=None,
               disable_pbar=False):
        options = with_differentiable_attention(extra_args["model_options"])
        self.rollout = EulerRollout(copy.copy(model_wrap), sigmas, {**extra_args, "model_options": options},
                                    latent_image, denoise_mask, self.max_denoise(model_wrap, sigmas))
        return noise


def _scorer(handle) -> Callable[[Tensor, list[str]], Tensor]:
    @torch.no_grad()
    def score(images: Tensor, prompts: list[str]) -> Tensor:
        comfy.model_management.load_models_gpu(handle.patchers)
        return _score(handle, images, prompts)

    return score


def _score(handle, images: Tensor, prompts: list[str]) -> Tensor:
    if handle.patchers:
        images = images.to(handle.patchers[0].load_device)
    return handle.model(images, prompts if handle.model.needs_prompt else None).float().cpu()
