"""The NoiseTilt Sampler's steps and gradients against the stock sampler and diffusers."""

import pytest
import torch

from .ascents import Ramp, only_in_stages, relative
from .tilted import Spy, fresh_noises, sample, tilted_sampler

pytestmark = pytest.mark.numerical

FLOW = [1.0, 0.8, 0.5, 0.2, 0.0]
SHORT = [1.0, 0.6, 0.2, 0.0]


@pytest.fixture(scope="module")
def flux(tiny, tmp_path_factory):
    return tiny.flux(tmp_path_factory.mktemp("flux"))


@pytest.fixture(scope="module")
def vaes(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    return {"taesd": tiny.taesd(folder, smooth=True), "kl": tiny.kl(folder)}


@pytest.fixture(scope="module")
def unet(tiny, tmp_path_factory):
    from . import tiny_unet

    return tiny_unet.sd_turbo(tmp_path_factory.mktemp("unet"))


@pytest.fixture(scope="module")
def kinds(tiny, flux, vaes, unet):
    """Guider, VAE, shape and sigmas: a flow model, and one network as a predictor of noise and of velocity."""
    import comfy.samplers
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    with torch.inference_mode():
        velocity = ModelSamplingDiscrete().patch(unet.stock, "v_prediction", False)[0]
    of_velocity = comfy.samplers.CFGGuider(velocity)
    of_velocity.set_conds(unet.condition, unet.condition)
    falling = [unet.sigmas[0], 5.0, 2.0, 0.5, 0.0]
    return {
        "flow": (tiny.guider(flux.stock), vaes["taesd"].stock, (16, 8, 8), FLOW),
        "eps": (unet.guider, unet.vae, (4, 8, 8), falling),
        "v": (of_velocity, unet.vae, (4, 8, 8), falling),
    }


def drawn(*shape, seed=5):
    with torch.inference_mode():
        return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", ["flow", "eps", "v"])
def test_strength_0_is_the_stock_sampler_bit_for_bit(kinds, kind, batch):
    guider, vae, shape, sigmas = kinds[kind]
    noise = drawn(batch, *shape)
    stock = sample("euler_ancestral", guider, noise, sigmas)
    assert torch.equal(sample(tilted_sampler(vae, strength=0.0), guider, noise, sigmas), stock)


def stock_sampler(eta):
    import comfy.samplers

    return comfy.samplers.ksampler("euler_ancestral", {"eta": eta})


@pytest.mark.parametrize("kind", ["flow", "eps"])
def test_steps_that_are_not_tilted_are_the_stock_samplers_bit_for_bit(kinds, kind):
    """Of the same run as a tilted one, the third of three noises; over a start picture and under a mask."""
    guider, vae, shape, sigmas = kinds[kind]
    noise, start = drawn(2, *shape), 0.5 * drawn(2, *shape, seed=6)
    mask = torch.zeros(2, 1, 64, 64)
    mask[..., :40] = 1
    found, expected = [], []
    for sampler, states in ((tilted_sampler(vae, start_percent=0.6, eta=0.7), found), (stock_sampler(0.7), expected)):
        sample(sampler, guider, noise, sigmas, latent=start, mask=mask, states=states)
    for step in range(3):
        assert torch.equal(found[step][0], expected[step][0])
    for step in range(2):
        assert torch.equal(found[step][1], expected[step][1])
    assert relative(found[3][0][..., :5], expected[3][0][..., :5]) > 5e-3


@pytest.mark.parametrize("kind", ["flow", "eps", "v"])
def test_a_tilted_step_is_the_stock_step_with_that_noise(kinds, kind, monkeypatch):
    guider, vae, shape, sigmas = kinds[kind]
    states, spy, eta, rho = [], Spy(), 0.8, 0.3
    sampler = tilted_sampler(vae, spy=spy, monkeypatch=monkeypatch, eta=eta, strength=rho)
    sample(sampler, guider, drawn(2, *shape), sigmas, states=states)
    assert len(spy.gradients) == 3 and len(states) == 4
    fresh = fresh_noises(states[0][0])
    for i, gradient in enumerate(spy.gradients):
        (x, denoised), now, then = states[i], sigmas[i], sigmas[i + 1]
        white = gradient / gradient.flatten(1).norm(dim=1).view(2, 1, 1, 1) * gradient[0].numel() ** 0.5
        noise = rho**0.5 * white + (1 - rho) ** 0.5 * next(fresh)
        if kind == "flow":
            down = then * (1 + (then / now - 1) * eta)
            renoise = (then**2 - down**2 * (1 - then) ** 2 / (1 - down) ** 2) ** 0.5
            expected = (1 - then) / (1 - down) * (down / now * x + (1 - down / now) * denoised) + renoise * noise
        else:
            up = min(then, eta * (then**2 * (now**2 - then**2) / now**2) ** 0.5)
            down = (then**2 - up**2) ** 0.5
            expected = x + (x - denoised) / now * (down - now) + up * noise
        assert relative(states[i + 1][0], expected) < 1e-5


@pytest.mark.parametrize(
    ("memory", "vae", "cfg"),
    [("keep", "taesd", 1.0), ("recompute", "taesd", 2.5), ("auto", "kl", 1.0), ("staged", "taesd", 1.0)],
)
def test_the_gradient_of_a_flow_model_is_that_of_diffusers(tiny, flux, vaes, monkeypatch, memory, vae, cfg):
    if memory == "staged":
        only_in_stages(monkeypatch)
        memory = "auto"
    states, spy = [], Spy()
    sampler = tilted_sampler(vaes[vae].stock, spy=spy, monkeypatch=monkeypatch, memory=memory)
    sample(sampler, tiny.guider(flux.stock, cfg), drawn(2, 16, 8, 8), SHORT, states=states)
    assert len(spy.gradients) == 2
    for gradient, (state, denoised), sigma in zip(spy.gradients, states[:2], SHORT[:2], strict=True):
        x = state.clone().requires_grad_(True)
        estimate = tiny.reference_latent(flux.reference, x, torch.tensor([sigma, 0.0]), cfg)
        rewards = Ramp()(tiny.reference_picture(vaes[vae].reference, estimate))
        assert relative(denoised, estimate) < 1e-4
        assert relative(gradient, torch.autograd.grad(rewards.sum(), x)[0]) < 1e-4


@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_the_gradient_of_a_predictor_of_noise_is_that_of_diffusers(unet, monkeypatch, memory):
    states, spy = [], Spy()
    levels = [unet.sigmas[0], _level(unet, 600), _level(unet, 200), 0.0]
    sampler = tilted_sampler(unet.vae, spy=spy, monkeypatch=monkeypatch, memory=memory)
    sample(sampler, unet.guider, drawn(2, 4, 8, 8), levels, states=states)
    assert len(spy.gradients) == 2
    for gradient, (state, _), sigma in zip(spy.gradients, states[:2], levels[:2], strict=True):
        x = state.clone().requires_grad_(True)
        estimate = unet.reference_rollout(x / (1 + sigma**2) ** 0.5, [sigma, 0.0])
        rewards = Ramp()(unet.reference_picture(estimate))
        assert relative(gradient, torch.autograd.grad(rewards.sum(), x)[0]) < 1e-4


def _level(unet, timestep):
    return unet.stock.get_model_object("model_sampling").sigmas[timestep].item()


@pytest.mark.parametrize(("memory", "vae"), [("keep", "taesd"), ("auto", "taesd"), ("recompute", "kl")])
def test_through_the_decoder_only_the_models_output_is_held_constant(tiny, flux, vaes, monkeypatch, memory, vae):
    """The estimate of a flow model is x minus sigma times its output: constant, that leaves the estimate's gradient."""
    states, spy = [], Spy()
    sampler = tilted_sampler(vaes[vae].stock, spy=spy, monkeypatch=monkeypatch, memory=memory, gradient="decoder only")
    block = flux.stock.model.diffusion_model.double_blocks[0]
    calls = []
    handle = block.img_mlp.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    sample(sampler, tiny.guider(flux.stock), drawn(2, 16, 8, 8), SHORT, states=states)
    handle.remove()
    assert calls == [False] * 3
    for gradient, (_, denoised) in zip(spy.gradients, states[:2], strict=True):
        estimate = denoised.clone().requires_grad_(True)
        rewards = Ramp()(tiny.reference_picture(vaes[vae].reference, estimate))
        assert relative(gradient, torch.autograd.grad(rewards.sum(), estimate)[0]) < 1e-4


class Engine:
    """A network that is no module, as TensorRT's engines are."""

    def __init__(self, network):
        self.network, self.dtype = network, network.dtype

    def __call__(self, *args, **kwargs):
        return self.network(*args, **kwargs)


@pytest.mark.parametrize("memory", ["keep", "auto"])
def test_through_the_decoder_only_the_model_may_be_an_engine(tiny, flux, vaes, memory):
    import copy

    import comfy.model_patcher

    model = copy.copy(flux.stock.model)
    model._modules = {name: part for name, part in model._modules.items() if name != "diffusion_model"}
    model.diffusion_model = Engine(flux.stock.model.diffusion_model)
    devices = flux.stock.load_device, flux.stock.offload_device
    engine = tiny.guider(comfy.model_patcher.ModelPatcher(model, *devices))
    sampler = tilted_sampler(vaes["taesd"].stock, memory=memory, gradient="decoder only")
    found, expected = (
        sample(sampler, guider, drawn(1, 16, 8, 8), SHORT) for guider in (engine, tiny.guider(flux.stock))
    )
    assert relative(found, expected) < 1e-4


def test_under_a_mask_the_gradient_is_nothing_outside_and_the_picture_stays(tiny, flux, vaes, monkeypatch):
    guider, start = tiny.guider(flux.stock), 0.5 * drawn(2, 16, 8, 8, seed=6)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1
    spy, states = Spy(), []
    sampler = tilted_sampler(vaes["taesd"].stock, spy=spy, monkeypatch=monkeypatch)
    result = sample(sampler, guider, drawn(2, 16, 8, 8), FLOW, latent=start, mask=mask, states=states)
    torch.testing.assert_close(result[..., 4:], start[..., 4:], atol=1e-5, rtol=0)
    plain = sample("euler_ancestral", guider, drawn(2, 16, 8, 8), FLOW, latent=start, mask=mask)
    assert relative(result[..., :4], plain[..., :4]) > 0.05
    for gradient in spy.gradients:  # outside stands noise as strong as the gradient inside
        inside, outside = gradient[..., :4].std(), gradient[..., 4:].std()
        assert 0.8 < outside / inside < 1.25


def test_the_reward_rises(tiny, flux, vaes):
    """With the whitening that is the default: the finished picture scores higher than the plain one."""
    vae, guider, noise = vaes["taesd"].stock, tiny.guider(flux.stock), drawn(2, 16, 8, 8)
    scored = []
    for strength in (0.0, 0.2):
        latent = sample(tilted_sampler(vae, strength=strength), guider, noise, FLOW)
        with torch.inference_mode():
            scored.append(Ramp()(vae.decode(latent).movedim(-1, 1)))
    assert (scored[1] > scored[0]).all()


def test_one_frame_of_a_video_model(tiny, tmp_path, monkeypatch):
    """Wan 2.1, which is not in the table of models: its gradient is that of diffusers too."""
    from . import tiny_wan

    wan, states, spy = tiny_wan.wan(tmp_path), [], Spy()
    sampler = tilted_sampler(wan.vae, spy=spy, monkeypatch=monkeypatch)
    sample(sampler, wan.guider, wan.noise, [1.0, 0.6, 0.3, 0.0], states=states)
    assert len(spy.gradients) == 2
    for gradient, (state, _), sigma in zip(spy.gradients, states[:2], [1.0, 0.6], strict=True):
        x = state.clone().requires_grad_(True)
        rewards = Ramp()(wan.reference_picture(wan.reference_rollout(x, [sigma, 0.0])))
        assert relative(gradient, torch.autograd.grad(rewards.sum(), x)[0]) < 1e-4
