"""A search without gradients as a sampler: the ascent's pictures, in ComfyUI's inference mode and memory."""

from collections.abc import Callable

import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import comfy.sd
from torch import Tensor

from ...optimization import AscentRecord
from .euler_rollout import EulerRollout
from .pictures import pictures_of


def search_noise(
    guider: comfy.samplers.CFGGuider,
    noise: Tensor,
    latent_image: Tensor,
    sigmas: Tensor,
    denoise_mask: Tensor | None,
    seed: int,
    vae: comfy.sd.VAE,
    score: Callable[[Tensor], Tensor],
    reward_patchers: list[comfy.model_patcher.ModelPatcher],
    search: Callable[..., AscentRecord],
) -> tuple[AscentRecord, Tensor]:
    """Run ``search`` on the noise of a guided, Euler-sampled, decoded and scored picture.

    Arguments and results as for ``optimize_noise``, but nothing needs a backward pass: any weight format, any
    attention and dynamic VRAM will do, and only inference memory is asked for. search: with everything bound but
    ``noise``, ``generate`` and ``reward``.
    """
    sampler = _SearchSampler(vae, score, reward_patchers, search)
    latent = guider.sample(
        noise, latent_image, sampler, sigmas, denoise_mask=denoise_mask, disable_pbar=True, seed=seed
    )
    sampler.record.best_noise = sampler.record.best_noise.cpu()
    return sampler.record, latent.cpu()


class _SearchSampler(comfy.samplers.Sampler):
    def __init__(
        self,
        vae: comfy.sd.VAE,
        score: Callable[[Tensor], Tensor],
        reward_patchers: list[comfy.model_patcher.ModelPatcher],
        search: Callable[..., AscentRecord],
    ):
        self.vae = vae
        self.score = score
        self.reward_patchers = reward_patchers
        self.search = search
        self.record: AscentRecord | None = None

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
        model, shape = model_wrap.model_patcher, tuple(noise.shape)
        comfy.model_management.load_models_gpu(
            [model, *model_wrap.loaded_models, self.vae.patcher, *self.reward_patchers],
            memory_required=max(
                model.memory_required(shape), self.vae.memory_used_decode(shape, self.vae.vae_dtype)
            ),
        )
        rollout = EulerRollout(
            model_wrap, sigmas, extra_args, latent_image, denoise_mask, self.max_denoise(model_wrap, sigmas)
        )
        self.record = self.search(noise, pictures_of(rollout, model_wrap, self.vae), self.score)
        return rollout(self.record.best_noise)
