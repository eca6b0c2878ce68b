"""Runs that end badly, follow one another or change in between: nothing is lost, left behind or different elsewhere."""

import gc
from functools import partial

import pytest
import torch

from tools.live_memory import LiveMemory

from .ascents import Ramp, plain, relative
from .breakdowns import MOMENTS, At, out_of_memory, unchanged

SMALL, LARGE = (1, 16, 4, 4), (2, 16, 4, 6)


@pytest.fixture(scope="module")
def vae(vaes):
    return vaes["kl"]


def noise(shape=SMALL, seed=5):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def run(guider, vae, start, reward=None, memory="auto", steps=2, callback=None):
    """The path that the node takes, with its defaults."""
    from gper_pack.nodes.differentiable.gradient_run import optimize_noise
    from gper_pack.nodes.differentiable.guided_sampling import GuidedSampling
    from gper_pack.optimization import Stopping, ascend
    from gper_pack.preconditioning import WhiteGaussianProjector

    ascent = partial(ascend, preconditioner=WhiteGaussianProjector(), stopping=Stopping(steps), callback=callback)
    latent, sigmas = torch.zeros_like(start), torch.tensor([1.0, 0.0])
    with torch.inference_mode():
        return optimize_noise(GuidedSampling(guider, start, latent, sigmas, vae, reward or Ramp()), memory, ascent)


class Leftovers:
    """Bytes of tensors that were made since, by anybody, and are still alive."""

    def __enter__(self):
        self.memory = LiveMemory()
        self.memory.__enter__()
        return self

    def __exit__(self, *exception):
        self.memory.__exit__(*exception)

    def count(self):
        gc.collect()
        return self.memory.live


def weight_bytes(flux, vae):
    return sum(p.nbytes for model in (flux.model, vae.first_stage_model) for p in model.parameters())


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", ["cancelled", "failed", "out of memory"])
def test_a_run_that_ends_badly_leaves_nothing(tiny, flux, vae, moment, kind):
    import comfy.model_management as management

    def fail():
        raise ZeroDivisionError("broken")

    what = {
        "cancelled": partial(management.interrupt_current_processing, True),
        "failed": fail,
        "out of memory": out_of_memory,
    }[kind]
    error = {
        "cancelled": management.InterruptProcessingException,
        "failed": ZeroDivisionError,
        "out of memory": torch.OutOfMemoryError,
    }[kind]
    guider = tiny.guider(flux)
    run(guider, vae, noise())  # what the first run makes for good, it makes here
    memory = "recompute" if moment in MOMENTS[::2] else "keep"
    tried_again = (kind, memory) == ("out of memory", "recompute") and moment != "callback"  # then in stages
    times = 2 if tried_again else 1
    accident = At(flux, vae, moment, 2, what, times)
    with Leftovers() as left:
        with unchanged(guider, flux, vae, noise()), accident, pytest.raises(error):
            run(guider, vae, noise(), accident.reward, memory, steps=5, callback=accident.callback)
        management.interrupt_current_processing(False)
        assert left.count() < 0.01 * weight_bytes(flux, vae)
    assert accident.raised == times and accident.evaluations <= 2 + times


def test_ten_runs_in_a_row(tiny, flux, vae):
    guider = tiny.guider(flux)
    first = run(guider, vae, noise())[0].best_noise
    counts = []
    with unchanged(guider, flux, vae, noise()), Leftovers() as left:
        for _ in range(10):
            assert torch.equal(run(guider, vae, noise())[0].best_noise, first)
            counts.append(left.count())
    assert max(counts) - min(counts) == 0 and max(counts) < 0.01 * weight_bytes(flux, vae)


@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_cancelled_again_and_again(tiny, flux, vae, memory):
    """At another step each time; the run after it is the same to the last bit."""
    import comfy.model_management as management

    guider = tiny.guider(flux)
    expected = run(guider, vae, noise(), memory=memory)[0].best_noise
    for step in range(6):

        def cancel(seen, last=step):
            if seen.index == last:
                management.interrupt_current_processing(True)
                management.throw_exception_if_processing_interrupted()

        with pytest.raises(management.InterruptProcessingException):
            run(guider, vae, noise(), memory=memory, steps=20, callback=cancel)
        assert torch.equal(run(guider, vae, noise(), memory=memory)[0].best_noise, expected)


def test_models_are_unloaded_in_the_middle_of_a_run(tiny, flux, vae):
    """As the page's button and /free ask for."""
    import comfy.model_management as management

    guider = tiny.guider(flux)
    expected = run(guider, vae, noise(), steps=4)[0].best_noise
    unload = run(guider, vae, noise(), steps=4, callback=lambda step: management.unload_all_models())[0]
    assert torch.equal(unload.best_noise, expected)


def test_another_size_in_between(tiny, flux, vae):
    guider = tiny.guider(flux)
    alone = [run(guider, vae, noise(shape))[0].best_noise for shape in (SMALL, LARGE)]
    with unchanged(guider, flux, vae, noise()), Leftovers() as left:
        for shape, expected in ((SMALL, alone[0]), (LARGE, alone[1]), (SMALL, alone[0])):
            assert torch.equal(run(guider, vae, noise(shape))[0].best_noise, expected)
        assert left.count() < 0.01 * weight_bytes(flux, vae)


@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_a_lora_added_between_runs(tiny, flux, vae, memory):
    """It changes the run that has it, as plain sampling, and none after it."""
    key = "diffusion_model.single_blocks.0.linear2.weight"
    weight = flux.model.state_dict()[key]
    with torch.inference_mode():
        up, down = torch.randn(weight.shape[0], 2), 0.2 * torch.randn(2, weight.shape[1])
        with_lora = flux.clone()
        with_lora.add_patches({key: ("diff", (up @ down,))}, 1.0)
    guider, patched = tiny.guider(flux), tiny.guider(with_lora)
    pictures = [plain(each, noise()) for each in (guider, patched)]
    before, _ = run(guider, vae, noise(), memory=memory)
    with unchanged(guider, flux, vae, noise()):
        during, latent = run(patched, vae, noise(), memory=memory)
        after, _ = run(guider, vae, noise(), memory=memory)
    assert relative(pictures[1], pictures[0]) > 1e-3
    assert not torch.equal(during.rewards[0], before.rewards[0])
    assert relative(plain(patched, during.best_noise), latent) < 1e-5
    assert torch.equal(plain(patched, noise()), pictures[1])
    assert torch.equal(after.best_noise, before.best_noise)


def test_another_workflow_right_after(tiny, flux, vae):
    """Another guider on the same model, several steps and a prompt of its own, samples as it did before the run."""
    other = tiny.guider(flux, cfg=3.0)
    sigmas = (1.0, 0.6, 0.0)
    before = plain(other, noise(LARGE), sigmas)
    run(tiny.guider(flux), vae, noise())
    assert torch.equal(plain(other, noise(LARGE), sigmas), before)
