"""Something that happens at a chosen moment of a run, and a look at whether ComfyUI is as it was."""

from contextlib import ExitStack, contextmanager

import torch

from .ascents import Ramp, plain

MOMENTS = ("generator", "decoder", "reward", "backward", "callback")


class At:
    """Calls `what` at a moment of one evaluation and of those after it, `times` times; once open.

    `reward` and `callback` are those to use; `raised` counts the calls, `evaluations` the evaluations begun.
    """

    def __init__(self, flux, vae, moment, evaluation, what, times=1):
        self.flux, self.vae = flux, vae
        self.moment, self.evaluation, self.what, self.times = moment, evaluation, what, times
        self.evaluations = self.raised = 0

    def __enter__(self):
        model, decoder = self.flux.model.diffusion_model, self.vae.first_stage_model.decoder
        inside = {"generator": model.single_blocks[1].linear1, "decoder": decoder.up[1].block[0].conv1}
        with ExitStack() as stack:
            stack.callback(model.img_in.register_forward_pre_hook(self._count).remove)
            if self.moment in inside:
                stack.callback(inside[self.moment].register_forward_pre_hook(self._happen).remove)
            self._hooks = stack.pop_all()
        return self

    def __exit__(self, *exception):
        self._hooks.close()

    def reward(self, images):
        if self.moment == "reward":
            self._happen()
        if self.moment == "backward" and images.requires_grad:
            images.register_hook(self._happen)
        return Ramp()(images)

    def callback(self, step):
        if self.moment == "callback":
            self._happen()

    def _count(self, *_):
        self.evaluations += 1

    def _happen(self, *_):
        if self.evaluations >= self.evaluation and self.raised < self.times:
            self.raised += 1
            self.what()


def out_of_memory():
    raise torch.OutOfMemoryError("out of memory")


@contextmanager
def unchanged(guider, flux, vae, noise):
    """Whatever happens inside: flags, overrides, weights, dtypes, options and plain sampling are the same after it."""
    import comfy.model_management as management
    import comfy.ops

    def state():
        modules = [*flux.model.modules(), *vae.first_stage_model.modules()]
        return {
            "flag": management.in_training,
            "cast": comfy.ops.cast_bias_weight,
            "instances": [sorted(module.__dict__) for module in modules],
            "options": repr(flux.model_options),
            "patches": {key: len(value) for key, value in flux.patches.items()},
            "hooks": torch._C._len_torch_dispatch_stack(),
            "inference": torch.is_inference_mode_enabled(),
            "gradients": torch.is_grad_enabled(),
        }

    def weights():
        models = (flux.model, vae.first_stage_model)
        return [(key, value.dtype, value.clone()) for model in models for key, value in model.state_dict().items()]

    picture, before, values = plain(guider, noise), state(), weights()
    try:
        yield
    finally:
        assert state() == before
        assert torch.equal(plain(guider, noise), picture)
        for (key, dtype, value), (_, dtype_before, value_before) in zip(weights(), values, strict=True):
            assert dtype == dtype_before and torch.equal(value, value_before), key
