"""A search without gradients: the ascent's images, in ComfyUI's inference mode and memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import comfy.model_management
from torch import Tensor

from ...optimization import RunRecord
from .guided_sampling import GuidedSampling
from .run_sampler import Prepared, RunSampler, Search


def search_noise(sampling: GuidedSampling, search: Search) -> tuple[RunRecord, Tensor]:
    """Run `search` on the noise of a guided, Euler-sampled, decoded and scored image.

    As `optimize_noise`, but nothing needs a backward pass: any weight format, any attention and dynamic VRAM will do,
    and only inference memory is asked for.

    Args:
        search: with everything bound but `noise`, `generate` and `reward`.
    """
    return RunSampler(sampling, search, partial(_prepared, sampling)).run()


@contextmanager
def _prepared(
    sampling: GuidedSampling, model_wrap, model_options: dict, noise_shape: tuple[int, ...], steps: int
) -> Iterator[Prepared]:
    model, vae = model_wrap.model_patcher, sampling.vae
    comfy.model_management.load_models_gpu(
        [model, *sampling.companions(model_wrap)],
        memory_required=max(model.memory_required(noise_shape), vae.memory_used_decode(noise_shape, vae.vae_dtype)),
    )
    yield Prepared(model_options)
