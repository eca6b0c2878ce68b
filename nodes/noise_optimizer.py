"""Node: optimize the noise of a guided sampling against a reward."""

import logging
import math

import torch
from comfy_api.latest import io

from ..optimization import Stopping
from ..runs.noise_history import NoiseHistory
from ..runs.report_image import report_image
from ..runs.run_report import run_report
from ..runs.score_history import ScoreHistory
from ..runs.seed_spreads import measured_first
from .differentiable.guided_sampling import GuidedSampling
from .differentiable.host_contract import check_host
from .differentiable.memory_modes import MODES
from .differentiable.model_presets import preset_for
from .inputs.methods import DEFAULT_METHOD, Settings
from .inputs.sockets import CATEGORY, NoiseMethod, Preconditioner, RewardModel
from .noises.drawn_noise import drawn_noise
from .noises.optimized_noise import OptimizedNoise
from .refusals import optimizer_inputs

log = logging.getLogger(__name__)

NO_TARGET = 1000.0  # exactly: it was once the largest that could be set, and saved workflows hold it
MAX_TARGET = 1e6


class NoiseOptimizer(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_NoiseOptimizer",
            display_name="Noise Optimizer",
            category=CATEGORY,
            description="Searches for noise that makes a better picture: climbs the reward by gradient ascent through "
            "sampler, VAE and reward model, and hands the best noise to SamplerCustomAdvanced (sampler: euler).",
            search_aliases=["GPER", "ReNO", "reward", "noise optimization", "test-time optimization", "aesthetic"],
            inputs=[
                io.Noise.Input(
                    "noise",
                    tooltip="The noise to start from, as for SamplerCustomAdvanced. Another seed, another result.",
                ),
                io.Guider.Input(
                    "guider",
                    tooltip="Model and prompt, as for SamplerCustomAdvanced. Few-step models: FLUX schnell, turbo.",
                ),
                io.Sigmas.Input(
                    "sigmas",
                    tooltip="The same schedule that the sampler gets. One step is fastest; up to 8 work, and each "
                    "costs about as much time as the first.",
                ),
                io.Latent.Input(
                    "latent_image", tooltip="The same latent that the sampler gets: its size, and its start picture."
                ),
                io.Vae.Input(
                    "vae",
                    tooltip="Decodes the picture that is scored. A TAESD is faster and smaller than the full VAE.",
                ),
                RewardModel.Input("reward", tooltip="What a better picture is. From the Reward Model Loader."),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="What the picture should show, for rewards that read text. Others ignore it.",
                ),
                io.Int.Input(
                    "steps",
                    default=60,
                    min=1,
                    max=10000,
                    tooltip="How often the noise is improved; for a search without gradients, how many others are "
                    "tried. More climbs higher and takes longer; 20 shows a change, 60 is good, 200 is the paper's.",
                ),
                io.Float.Input(
                    "learning_rate",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.001,
                    round=False,
                    tooltip="Size of a step. More climbs faster and leaves the start picture sooner. 0: what suits the "
                    "model (FLUX 0.02, SDXL-Turbo 0.1) or the method (ReNO 5); the report names it. Useful for GPER: "
                    "0.005 to 0.2.",
                ),
                io.Float.Input(
                    "time_budget",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=1.0,
                    tooltip="Stop after this many seconds with the best noise so far. More climbs higher; useful: 30 "
                    "to 600. 0: no limit.",
                ),
                io.Int.Input(
                    "preview_every",
                    default=5,
                    min=0,
                    max=1000,
                    tooltip="Renew the best picture on the node every so many steps, at most once a second. More saves "
                    "a moment per picture; useful: 1 to 10. 0: only at the start and the end.",
                ),
                Preconditioner.Input(
                    "projector",
                    optional=True,
                    tooltip="How GPER keeps the noise noise. Not connected: a White-Gaussian Projector with its "
                    "defaults. Other methods ignore it; the report says so.",
                ),
                io.Combo.Input(
                    "memory",
                    options=list(MODES),
                    default="auto",
                    tooltip="recompute: least memory, each step takes longer. keep: fastest, needs room for the whole "
                    "backward pass; models that the README does not list always keep. auto: what fits.",
                    advanced=True,
                ),
                io.Int.Input(
                    "patience",
                    default=0,
                    min=0,
                    max=10000,
                    tooltip="Stop when no better noise was found for this many steps. More waits longer; useful: 10 to "
                    "30. 0: never.",
                    advanced=True,
                ),
                io.Float.Input(
                    "target_reward",
                    default=NO_TARGET,
                    min=-MAX_TARGET,
                    max=MAX_TARGET,
                    step=0.01,
                    tooltip="Stop when every picture has reached this reward. More takes longer to reach; the report's "
                    "scores tell what is in reach. Exactly 1000: never.",
                    advanced=True,
                ),
                NoiseMethod.Input(
                    "method",
                    optional=True,
                    tooltip="How to search, from an Optimization Method. Not connected: GPER.",
                ),
            ],
            outputs=[
                io.Noise.Output(
                    "optimized_noise",
                    display_name="noise",
                    tooltip="The best noise. Goes into SamplerCustomAdvanced with the same guider, sigmas and latent.",
                ),
                io.Latent.Output(
                    "latent", display_name="latent", tooltip="The best picture's latent, ready for VAE Decode."
                ),
                io.String.Output("report", display_name="report", tooltip="What happened, in plain words and numbers."),
                io.Image.Output(
                    "report_image",
                    display_name="report_image",
                    tooltip="The report on one sheet, to save or show: words, reward curves, start and best pictures.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def execute(
        cls,
        noise,
        guider,
        sigmas,
        latent_image,
        vae,
        reward,
        prompt,
        steps,
        learning_rate,
        time_budget,
        preview_every,
        projector=None,
        memory="auto",
        patience=0,
        target_reward=NO_TARGET,
        method=None,
    ) -> io.NodeOutput:
        optimizer_inputs.check_settings(learning_rate, memory)
        method = (method or DEFAULT_METHOD).with_projector(projector)
        check_host(method.needs_gradient)
        from .live.run_progress import RunProgress  # not at the top: they need what has just been checked
        from .refusals.model_path import check_model_path

        stopping = Stopping(
            steps, time_budget or None, None if target_reward == NO_TARGET else target_reward, patience or None
        )
        optimizer_inputs.check_sigmas(sigmas, method.needs_gradient)
        prompts = optimizer_inputs.check_prompt(prompt, reward.model)
        latent = latent_image.copy()
        latent["samples"] = optimizer_inputs.check_latent(
            optimizer_inputs.fitted_to_model(latent, guider.model_patcher), guider.model_patcher
        )
        optimizer_inputs.check_vae(vae, guider.model_patcher)
        check_model_path(guider, method.needs_gradient)
        if method.needs_gradient:
            from .refusals.weight_formats import check_weight_format

            check_weight_format(guider.model_patcher, vae.patcher)
        start = drawn_noise(noise, latent)
        settings = Settings(learning_rate, preset_for(guider.model_patcher), latent, noise.seed)
        about_method = method.text(settings)
        log.info(about_method)

        scores = ScoreHistory(reward.model, prompts, reward.limits)
        progress = RunProgress(reward.model, scores, stopping, preview_every, cls.hidden, about_method)
        search = measured_first(method.search(settings, stopping, progress), scores, noise.seed)
        with progress:
            sampling = GuidedSampling(
                guider,
                start,
                latent["samples"],
                sigmas,
                vae,
                scores,
                reward.patchers,
                latent.get("noise_mask"),
                noise.seed,
            )
            if method.needs_gradient:
                from .differentiable.gradient_run import optimize_noise

                record, samples = optimize_noise(sampling, memory, search)
            else:
                from .differentiable.inference_run import search_noise

                record, samples = search_noise(sampling, search)
        for ratio in ("downscale_ratio_spacial", "downscale_ratio_temporal"):  # of the empty latent, used up
            latent.pop(ratio, None)
        latent["samples"] = samples
        about = f"{about_method} {scores.about_spreads}".strip()
        report = run_report(record, reward.model, scores.parts, start, about, scores.typical_range)
        history = NoiseHistory.of_run(
            record,
            reward.model.name,
            scores.parts,
            model=type(guider.model_patcher.model).__name__,
            reward_prompt=prompts or "",
            method=method.label,
            step_size=method.step_size(settings),
            seeds=method.seeds(settings, record),
        )
        return io.NodeOutput(
            OptimizedNoise(noise.seed, record.best_noise, history, batch_index=latent.get("batch_index")),
            latent,
            report,
            report_image(record, reward.model, scores.parts, progress.pictures, about, scores.typical_range),
            ui={"reward_history": _jsonable(record.reward_history())},
        )


def _jsonable(history: torch.Tensor) -> list[list[float | None]]:
    """Rewards (evaluations, B) for the page and the API; JSON knows no NaN."""
    return [[value if math.isfinite(value) else None for value in row] for row in history.tolist()]
