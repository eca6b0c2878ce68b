"""The pack's own ascent in ComfyUI, measured inside a run of its sampler. `comfyui_in_process.start` comes before."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ..memory_modes.gradient_node.ramp import Still
from ..shared import now
from .geometry import Inputs
from .measuring import peak_memory
from .report import Result


class Ours:
    """Models in ComfyUI, and runs of the ascent on them.

    transformer: a file for the stock loader. weight_dtype: float8 to store it smaller.
    """

    def __init__(self, transformer: Path, reward: torch.nn.Module, inputs: Inputs,
                 weight_dtype: torch.dtype | None = None):
        import comfy.samplers
        import comfy.sd

        self.inputs, self.reward = inputs, reward
        options = {} if weight_dtype is None else {"dtype": weight_dtype}
        with torch.inference_mode():  # as nodes do
            model = comfy.sd.load_diffusion_model(str(transformer), model_options=options)
            self.guider = comfy.samplers.CFGGuider(model)
            condition = [[inputs.text.clone(), {"pooled_output": inputs.pooled.clone()}]]
        self.guider.set_conds(condition, condition)
        self.guider.set_cfg(1.0)
        self.device = model.load_device

    @staticmethod
    def load_vae(path: Path):
        import comfy.sd
        import comfy.utils

        with torch.inference_mode():
            return comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(path)))

    def gradient(self, vae, memory: str) -> Tensor:
        """Of the reward at the start noise, on the CPU."""
        from gper_pack.optimization import Stopping, ascend

        still = Still()
        self._run(vae, memory, partial(ascend, preconditioner=still, stopping=Stopping(1)))
        return still.gradients[0]

    def measure(self, vae, memory: str, steps: int, result: Result) -> None:
        """Time `steps` steps, each from one evaluation to the next.

        In the step before them memory is counted, unless it has been, which would cost time.
        """
        from gper_pack.optimization import Stopping, ascend
        from gper_pack.preconditioning import WhiteGaussianProjector

        def ascent(noise: Tensor, generate: Callable, reward: Callable, graph_context: Callable, retry: Callable):
            times: list[float] = []
            with ExitStack() as counting:
                if not result.peak_bytes:
                    counting.enter_context(peak_memory(self.device, result))

                def note(step) -> str | None:
                    counting.close()
                    times.append(now(self.device))
                    return "measured" if step.index == steps else None

                record = ascend(noise, generate, reward, WhiteGaussianProjector(), stopping=Stopping(steps + 1),
                                callback=note, graph_context=graph_context, retry=retry)
            result.seconds += [later - earlier for earlier, later in pairwise(times)]
            plan, model = graph_context.__self__, self.guider.model_patcher
            result.estimated_bytes, result.kept = plan.memory_required, str(plan.chosen)
            # The gradient of a frozen weight is not computed: backward costs as much as forward.
            result.passes = 2 + plan.chosen.generator
            result.resident = model.loaded_size() / model.model_size()
            return record

        self._run(vae, memory, ascent)

    def measure_projection(self, repeats: int, result: Result) -> None:
        """Time what one step spends on the projector: gradient and noise."""
        from gper_pack.preconditioning import WhiteGaussianProjector

        projector, noise = WhiteGaussianProjector(), self.inputs.noise.to(self.device)
        for _ in range(repeats):
            started = now(self.device)
            projector.retract(noise + projector.precondition(noise, noise))
            result.seconds.append(now(self.device) - started)

    def measure_plain(self, vae, repeats: int, result: Result) -> None:
        """Time forward, decode and reward without gradients, by the same functions."""
        from gper_pack.optimization import RunRecord

        def ascent(noise: Tensor, generate: Callable, reward: Callable, **of_gradients):
            with torch.no_grad():
                for _ in range(repeats):
                    started = now(self.device)
                    reward(generate(noise)).cpu()
                    result.seconds.append(now(self.device) - started)
            return RunRecord.start(noise)

        self._run(vae, "auto", ascent)

    def _run(self, vae, memory: str, ascent: Callable) -> None:
        from gper_pack.nodes.differentiable.gradient_run import optimize_noise
        from gper_pack.nodes.differentiable.guided_sampling import GuidedSampling

        noise = self.inputs.noise
        with torch.inference_mode():
            latent, sigmas = torch.zeros_like(noise), torch.tensor([1.0, 0.0])
            optimize_noise(GuidedSampling(self.guider, noise, latent, sigmas, vae, self.reward), memory, ascent)
