"""Node: optimize the noise of a guided sampling against a reward."""

import logging
from dataclasses import asdict, replace
from functools import partial

from comfy_api.latest import io
from torch import Tensor

from ..optimization import Stopping
from ..preconditioning.efforts import EFFORTS
from ..preconditioning.recipes import STEP_RULES
from ..preconditioning.strength import NO_LIMIT, check_strength
from ..runs.noise_history import NoiseHistory
from ..runs.plain_seeds import PlainSeeds
from ..runs.report_image import report_image
from ..runs.run_report import run_report
from ..runs.run_result import RunResult
from ..runs.score_history import ScoreHistory
from ..runs.scores_in_words import finite_or_none
from ..runs.seed_spreads import measured_first
from .differentiable.guided_sampling import GuidedSampling
from .differentiable.memory_modes import MODES
from .differentiable.model_presets import preset_for
from .differentiable.run_search import run_search
from .inputs.methods import DEFAULT_METHOD
from .inputs.settings import OWN_STEP_RULE, Settings
from .inputs.sockets import CATEGORY, NoiseMethod, Preconditioner, RewardModel
from .noises.drawn_noise import drawn_noise
from .noises.kept_noise import keep_noise
from .noises.optimized_noise import OptimizedNoise
from .refusals.check_run import check_run

log = logging.getLogger(__name__)

# Once the largest that could be set: saved workflows and API files hold it, and nothing in them tells it from a target.
# 999.99 or 1000.01 is one.
NO_TARGET = 1000.0
MAX_TARGET = 1e6
# What a new node shows. An API file from before these inputs has no value for them and gets the published method.
SHIPPED = EFFORTS["balanced"]


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
                RewardModel.Input("reward", tooltip="What counts as a better picture. From the Reward Model Loader."),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="What the picture should show, for rewards that read text. Others ignore it.",
                ),
                io.Int.Input(
                    "steps",
                    default=SHIPPED.steps,
                    min=1,
                    max=10000,
                    tooltip="How many times the noise is improved or, in a search without gradients, how many other "
                    "noises are tried. More climbs higher and takes longer: 10 shows a change, 30 is enough; with "
                    "effort plain 60 (the paper: 200).",
                    extra_dict={"gper_efforts": {name: asdict(effort) for name, effort in EFFORTS.items()}},
                ),
                io.Float.Input(
                    "learning_rate",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.001,
                    round=False,
                    tooltip="Size of a step. More climbs faster and leaves the first picture sooner. 0: what suits "
                    "model, method and step_rule (FLUX 0.1, with effort plain 0.02; SDXL-Turbo 0.5 and 0.1); the "
                    "report names it. Useful: from a third of that to three times that.",
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
                    tooltip="Show the best picture so far on the node every this many steps, at most once a second. A "
                    "larger number saves a little time; useful: 1 to 10. 0: only at the start and the end.",
                ),
                Preconditioner.Input(
                    "projector",
                    optional=True,
                    tooltip="How GPER keeps the noise looking like noise. Not connected: a White-Gaussian Projector "
                    "with its defaults. Other methods ignore it; the report says so.",
                ),
                io.Combo.Input(
                    "memory",
                    options=list(MODES),
                    default="auto",
                    tooltip="recompute: least memory, each step takes longer. keep: fastest, needs room for the whole "
                    "backward pass; models that the pack does not know always keep. auto: what fits.",
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
                # Optional from here on: API files from before these inputs have no value for them.
                io.Int.Input(
                    "seeds_first",
                    optional=True,
                    default=SHIPPED.seeds_first,
                    min=0,
                    max=1024,
                    tooltip="Try so many seeds first, RandomNoise's own among them, and climb from the best. More "
                    "begins higher; each costs about half a step. Useful: 4 to 32. 0: climb from the noise itself, as "
                    "from any other noise than RandomNoise's. Searches without gradients ignore it.",
                ),
                io.Float.Input(
                    "strength",
                    optional=True,
                    default=SHIPPED.strength,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    round=False,
                    tooltip="How far the noise may leave its start, as distance in Noise Variations. More climbs "
                    "higher; less keeps the start's layout and the picture sound. Useful: 0.1 to 0.2; 1: no limit. "
                    "Searches without gradients ignore it.",
                ),
                io.Combo.Input(
                    "step_rule",
                    optional=True,
                    options=list(STEP_RULES),
                    default=SHIPPED.step_rule,
                    tooltip="as the method: steps as published. falling: they shrink to a twentieth in the course of "
                    "the run, so twice the learning rate is fine. falling momentum: also keeps the noise's values "
                    "bell-shaped, which Adam does not; learning_rate 0 is then five times the model's. Searches "
                    "without gradients ignore it.",
                    advanced=True,
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
        seeds_first=0,
        strength=NO_LIMIT,
        step_rule=OWN_STEP_RULE,
    ) -> io.NodeOutput:
        method = (method or DEFAULT_METHOD).with_projector(projector)
        target = None if target_reward == NO_TARGET else target_reward
        stopping = Stopping(steps, time_budget or None, target, patience or None)
        check_strength(strength)
        latent, text = check_run(
            guider, sigmas, latent_image, vae, reward.model, prompt, learning_rate, memory, method.needs_gradient
        )
        from .live.run_progress import RunProgress  # not at the top: it needs what has just been checked

        start = drawn_noise(noise, latent)
        preset = preset_for(guider.model_patcher)
        settings = Settings(learning_rate, preset, latent, noise.seed, start, seeds_first, strength, step_rule)
        mask = latent.get("noise_mask")
        about = method.text(settings)
        if mask is not None:
            about += " Noise outside the latent's noise mask stays as it is."
        log.info(about)
        plain = PlainSeeds(method.plain_seeds(settings, stopping), settings.given)
        scores = ScoreHistory(reward.model, text, reward.limits, plain)
        progress = RunProgress(reward.model, scores, stopping, preview_every, cls.hidden, about)
        search = measured_first(method.search(settings, stopping, progress), scores, noise.seed)
        sampling = GuidedSampling(
            guider, start, latent["samples"], sigmas, vae, scores, reward.patchers, mask, noise.seed
        )
        with progress:
            record, samples = run_search(sampling, search, memory, method.needs_gradient)

        result = RunResult(
            record,
            reward.model.name,
            scores.typical_range,
            start,
            f"{about} {scores.about_spreads}".strip(),
            scores.parts,
            progress.images,
            method.start_seeds(settings, record),
            plain,
        )
        history_of = partial(
            NoiseHistory.of_run,
            model=type(guider.model_patcher.model).__name__,
            reward_prompt=text or "",
            method=method.label(settings),
            step_size=method.step_size(settings),
            seeds=[] if mask is not None else method.seeds(settings, record),  # beside the mask it is another seed's
            start_seeds=result.start_seeds,
            strength=strength if method.needs_gradient else NO_LIMIT,
        )
        suspicion = scores.fooled.suspicion(record)
        if suspicion is not None:
            before = result.gone_back(suspicion.sound)
            kept = keep_noise("before_fooled", before, history_of(before), noise.seed, latent.get("batch_index"))
            result = replace(result, warning=suspicion.text(result.reward, kept))
            log.warning(result.warning)
        return io.NodeOutput(
            OptimizedNoise(noise.seed, record.best_noise, history_of(result), batch_index=latent.get("batch_index")),
            _painted(latent, samples),
            run_report(result),
            report_image(result),
            ui={"reward_history": [finite_or_none(rewards) for rewards in record.rewards]},
        )


def _painted(latent: dict, samples: Tensor) -> dict:
    """The LATENT with what was painted on it; the ratios that an empty one tells are used up."""
    used_up = ("downscale_ratio_spacial", "downscale_ratio_temporal")
    return {**{name: value for name, value in latent.items() if name not in used_up}, "samples": samples}
