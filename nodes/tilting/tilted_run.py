"""The sampler function of the NoiseTilt Sampler: one run each time that ComfyUI samples with it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from ...optimization import Stopping
from ...runs.score_history import ScoreHistory
from ...runs.seed_spreads import measure_spreads
from ...runs.tilt_report import tilt_report
from ..differentiable.guided_sampling import GuidedSampling

if TYPE_CHECKING:
    import comfy.sd
    from comfy_api.latest import io

    from ..differentiable.tilted_sampling import TiltSettings
    from ..rewards.reward_handle import RewardHandle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TiltedRun:
    """What `comfy.samplers.KSAMPLER` calls; it keeps nothing, for ComfyUI may keep the sampler from prompt to prompt.

    Attributes:
        settings: of the tilt.
        vae: decodes the pictures that are scored.
        reward: scores them.
        text: what it reads, None if it reads none.
        about: the settings in words.
        hidden: the node's.
    """

    settings: TiltSettings
    vae: comfy.sd.VAE
    reward: RewardHandle
    text: str | None
    about: str
    hidden: io.HiddenHolder

    def __call__(self, model, x: Tensor, sigmas: Tensor, extra_args=None, callback=None, disable=None) -> Tensor:
        """As the sampler functions of k-diffusion: the sample (B, C, ...) in the model's space."""
        from ..differentiable.tilted_sampling import sample_plain, sample_tilted  # not at the top: they need a host

        settings, tilt = self.settings, self.settings.tilt
        if not tilt.strength:
            return sample_plain(model, x, sigmas, extra_args, callback, disable, settings.eta)
        from ..live.run_progress import RunProgress
        from ..refusals.check_tilt import check_sampled_model, check_tilted_sampling

        check_sampled_model(model)
        guider = model.inner_model
        check_tilted_sampling(
            guider, x, sigmas, tilt, settings.eta, self.vae, self.reward.model, settings.through_model
        )
        looks = len(tilt.steps(int((sigmas[1:] > 0).sum())))
        scores = ScoreHistory(self.reward.model, self.text, self.reward.limits)
        progress = RunProgress(self.reward.model, scores, Stopping(looks), 1, self.hidden, self.about, sampling=True)
        seed = extra_args.get("seed") or 0
        given = GuidedSampling(
            guider, model.noise, model.latent_image, sigmas, self.vae, scores, self.reward.patchers, seed=seed
        )
        measure = partial(measure_spreads, scores, seed=seed, finished=False) if scores.needs_spreads else None
        with progress:
            sample, tilted = sample_tilted(
                model, x, sigmas, extra_args, callback, disable, settings, given, progress, measure
            )
            about = f"{self.about} {scores.about_spreads}".strip()
            report = tilt_report(tilted, self.reward.model.name, scores.typical_range, about, scores.parts)
            progress.live.settings = report
        log.info(report)
        return sample
