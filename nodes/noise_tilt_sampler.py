"""Node: a stochastic sampler whose noise is tilted towards a reward."""

import logging

from comfy_api.latest import io

from ..optimization import NoiseTilt
from ..optimization.noise_tilt import SCHEDULES
from ..preconditioning import WHITENINGS
from .differentiable.memory_modes import MODES
from .inputs.sockets import CATEGORY, RewardModel
from .refusals.check_tilt import check_tilt_inputs
from .tilting.tilted_run import TiltedRun

log = logging.getLogger(__name__)

THROUGH_MODEL, DECODER_ONLY = "model and decoder", "decoder only"
STOP, PLAIN_NOISE = "stop", "plain noise"


class NoiseTiltSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_NoiseTiltSampler",
            display_name="NoiseTilt Sampler",
            category=CATEGORY,
            description="A sampler for models of many steps: euler_ancestral, whose noise is tilted towards a reward "
            "at every step. Goes into SamplerCustomAdvanced where KSamplerSelect stands. One picture, one pass.",
            search_aliases=["NoiseTilt", "NTRK", "GPER", "reward", "reward-guided sampling", "euler_ancestral"],
            inputs=[
                io.Vae.Input(
                    "vae",
                    tooltip="Decodes the picture that is scored at every step. A TAESD is faster and smaller than the "
                    "full VAE.",
                ),
                RewardModel.Input("reward", tooltip="What counts as a better picture. From the Reward Model Loader."),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="What the picture should show, for rewards that read text. Others ignore it.",
                ),
                io.Float.Input(
                    "strength",
                    default=0.001,
                    min=0.0,
                    max=1.0,
                    step=0.0001,
                    round=False,
                    tooltip="The share of each noise that is the reward's (rho). More climbs higher and leaves the "
                    "plain picture sooner. Think in factors of 3: 0.0003, 0.001, 0.003, 0.01, 0.03. 0: plain "
                    "euler_ancestral.",
                ),
                io.Combo.Input(
                    "schedule",
                    options=list(SCHEDULES),
                    default="constant",
                    tooltip="constant: the same strength from start to end. falling: from strength at the start in a "
                    "straight line to 0 at the end.",
                ),
                io.Float.Input(
                    "start_percent",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    round=False,
                    tooltip="From which share of the steps on noise is tilted. More leaves the layout to chance. 0: "
                    "from the first one.",
                ),
                io.Float.Input(
                    "end_percent",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    round=False,
                    tooltip="Up to which share of the steps noise is tilted. Less is faster, and leaves details alone. "
                    "1: to the last one.",
                ),
                io.Int.Input(
                    "every_nth",
                    default=1,
                    min=1,
                    max=100,
                    tooltip="Tilt only every so many steps; those between are plain and cost no gradient. More is "
                    "faster and weaker. 1: every step.",
                ),
                io.Float.Input(
                    "eta",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    round=False,
                    tooltip="How much noise the steps inject, as in SamplerEulerAncestral. Less leaves less to tilt. "
                    "1: as the stock sampler.",
                ),
                io.Combo.Input(
                    "memory",
                    options=list(MODES),
                    default="auto",
                    tooltip="recompute: least memory, each step takes longer. keep: fastest, needs room for the whole "
                    "backward pass of a step; models that the pack does not know always keep. auto: what fits.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "gradient",
                    options=[THROUGH_MODEL, DECODER_ONLY],
                    default=THROUGH_MODEL,
                    tooltip="model and decoder: exact, as published; a step costs about three. decoder only: holds the "
                    "model's output constant, so nothing goes backward through the model; faster, less memory, any "
                    "model, and a coarser direction. That one is this pack's, not the paper's.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "whitening",
                    options=list(WHITENINGS),
                    default="both",
                    tooltip="How the gradient is made to look like noise. NoiseTilt: intervals of sorted values. GPER: "
                    "projection of the spectrum. both: one after the other, the whitest.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "without_gradient",
                    options=[STOP, PLAIN_NOISE],
                    default=STOP,
                    tooltip="At a step without a usable gradient (a score that is not finite, too little memory), stop "
                    "with an error, or go on with plain noise; the report tells which steps.",
                    advanced=True,
                ),
            ],
            outputs=[
                io.Sampler.Output(
                    "sampler",
                    display_name="sampler",
                    tooltip="Goes into SamplerCustomAdvanced, with a guider and a scheduler of 8 to 50 steps.",
                )
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def execute(
        cls,
        vae,
        reward,
        prompt,
        strength,
        schedule,
        start_percent,
        end_percent,
        every_nth,
        eta,
        memory="auto",
        gradient=THROUGH_MODEL,
        whitening="both",
        without_gradient=STOP,
    ) -> io.NodeOutput:
        tilt = NoiseTilt(WHITENINGS[whitening], strength, schedule, start_percent, end_percent, every_nth)
        text = check_tilt_inputs(vae, reward.model, prompt, memory)
        import comfy.samplers  # not at the top: it needs what has just been checked

        from .differentiable.tilted_sampling import TiltSettings

        settings = TiltSettings(tilt, eta, memory, gradient == THROUGH_MODEL, without_gradient == PLAIN_NOISE)
        about = _about(tilt, eta, whitening, gradient)
        return io.NodeOutput(comfy.samplers.KSAMPLER(TiltedRun(settings, vae, reward, text, about, cls.hidden)))


def _about(tilt: NoiseTilt, eta: float, whitening: str, gradient: str) -> str:
    """The settings in one sentence, for report and page."""
    whole = (tilt.start, tilt.end) == (0, 1)
    where = "" if whole else f" from {tilt.start:.0%} to {tilt.end:.0%} of the steps"
    every = "" if tilt.every == 1 else f", every {tilt.every} steps"
    return (
        f"NoiseTilt: strength {tilt.strength:g}, {tilt.schedule}{where}{every}; eta {eta:g}; whitening {whitening}; "
        f"gradient: {gradient}."
    )
