"""The backward pass in another thread than the forward pass, as on a graphics card: same gradient, same accidents."""

import threading
from functools import partial

import pytest
import torch

from .ascents import Ramp, optimize
from .breakdowns import At, out_of_memory, unchanged
from .worker_thread import BackwardInWorker

pytestmark = pytest.mark.numerical


@pytest.fixture(scope="module")
def vae(vaes):
    return vaes["kl"]


@pytest.fixture
def noise():
    return torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(5))


def threads_of(layer, run):
    """The threads in which a layer computes during `run()`."""
    found = set()
    handle = layer.register_forward_pre_hook(lambda *_: found.add(threading.get_ident()))
    try:
        run()
    finally:
        handle.remove()
    return found


@pytest.mark.parametrize("weights", ["resident", "float8", "streamed"])
@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_the_gradient_is_the_same(tiny, flux, vae, noise, monkeypatch, memory, weights):
    from . import weight_formats
    from .streamed_weights import StreamedWeights

    model = flux
    if weights == "float8":
        plain = {name: value.clone() for name, value in flux.model.diffusion_model.state_dict().items()}
        model = weight_formats.in_dtype(torch.float8_e4m3fn)(plain).load()
    if weights == "streamed":
        streamed = StreamedWeights(monkeypatch)
        for part in (model.model, vae.first_stage_model):
            assert streamed.stream_all(part) > 0

    def gradients():
        seen = []
        optimize(tiny.guider(model), noise, vae, Ramp(), memory, steps=2, seen=seen)
        return torch.stack(seen)

    expected, found = gradients(), []
    worker = BackwardInWorker(monkeypatch)
    layer = model.model.diffusion_model.single_blocks[0].linear1
    threads = threads_of(layer, lambda: found.append(gradients()))
    assert worker.passes >= 2 and threading.get_ident() in threads
    assert (len(threads) > 1) == (memory == "recompute")
    assert torch.equal(found[0], expected)


def test_cancelling_in_the_worker(tiny, flux, vae, noise, monkeypatch):
    """ComfyUI's layers look for it while they are computed again."""
    import comfy.model_management as management

    guider = tiny.guider(flux)
    accident = At(flux, vae, "backward", 2, partial(management.interrupt_current_processing, True))
    with unchanged(guider, flux, vae, noise), accident, monkeypatch.context() as patched:
        worker = BackwardInWorker(patched)
        with pytest.raises(management.InterruptProcessingException):
            optimize(guider, noise, vae, accident.reward, "recompute", steps=5)
        assert worker.passes == accident.evaluations == 2
    assert not management.processing_interrupted()


def test_an_error_in_the_worker_is_the_callers(tiny, flux, vae, noise, monkeypatch):
    error = ZeroDivisionError("broken")

    def fail():
        raise error

    guider = tiny.guider(flux)
    accident = At(flux, vae, "backward", 2, fail)
    with unchanged(guider, flux, vae, noise), accident, monkeypatch.context() as patched:
        BackwardInWorker(patched)
        with pytest.raises(ZeroDivisionError) as caught:
            optimize(guider, noise, vae, accident.reward, "keep", steps=5)
    assert caught.value is error


def test_out_of_memory_in_the_worker_goes_on(tiny, flux, vae, noise, monkeypatch):
    expected, latent = optimize(tiny.guider(flux), noise, vae, Ramp(), "auto", steps=2)
    accident = At(flux, vae, "backward", 2, out_of_memory)
    with accident:
        worker = BackwardInWorker(monkeypatch)
        record, found = optimize(tiny.guider(flux), noise, vae, accident.reward, "auto", steps=2)
    assert accident.raised == 1 and worker.passes == 3
    assert torch.equal(record.reward_history(), expected.reward_history()) and torch.equal(found, latent)
