"""The gradient through ComfyUI against diffusers, and what an optimization leaves behind in ComfyUI."""

import pytest
import torch

from .ascents import Ramp, optimize, plain, relative, rounding

pytestmark = pytest.mark.numerical

SIGMAS = {1: [1.0, 0.0], 3: [1.0, 0.7, 0.3, 0.0]}


class Fails(Ramp):
    def forward(self, images, prompts=None):
        raise RuntimeError("broken reward")


@pytest.fixture(scope="module")
def flux(tiny, tmp_path_factory):
    return tiny.flux(tmp_path_factory.mktemp("flux"))


@pytest.fixture(scope="module")
def vaes(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    return {"taesd": tiny.taesd(folder, smooth=True), "kl": tiny.kl(folder)}


@pytest.fixture(scope="module")
def noise():
    with torch.inference_mode():
        return torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("vae, steps, cfg", [("taesd", 1, 1.0), ("taesd", 1, 2.5), ("taesd", 3, 1.0), ("kl", 1, 1.0)])
@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_gradient_is_that_of_diffusers(tiny, flux, vaes, noise, memory, vae, steps, cfg):
    seen = []
    record, _ = optimize(
        tiny.guider(flux.stock, cfg), noise, vaes[vae].stock, Ramp(), memory, sigmas=SIGMAS[steps], seen=seen
    )
    x = noise.clone().requires_grad_(True)
    latent = tiny.reference_latent(flux.reference, x, torch.tensor(SIGMAS[steps]), cfg)
    rewards = Ramp()(tiny.reference_picture(vaes[vae].reference, latent))
    expected = torch.autograd.grad(rewards.sum(), x)[0]
    assert torch.allclose(record.rewards[0], rewards, rtol=1e-4, atol=1e-6)
    assert relative(seen[0], expected) < 1e-4


def test_gradient_through_the_published_taesd_is_that_of_diffusers(tiny, tmp_path):
    """With its ReLUs, in float64: both sides are then on the same side of each kink."""
    from gper_pack.nodes.differentiable.ordinary_tensors import freeze_as_ordinary
    from gper_pack.nodes.differentiable.vae_decode import decode

    vae = tiny.taesd(tmp_path)
    freeze_as_ordinary(vae.stock.first_stage_model.double())
    vae.stock.vae_dtype = torch.float64
    reference = vae.reference.double()

    def gradient(picture):
        latent = torch.randn(2, *tiny.LATENT, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        rewards = Ramp()(picture(latent.requires_grad_(True)).float())
        return torch.autograd.grad(rewards.sum(), latent)[0]

    found = gradient(lambda latent: decode(vae.stock, latent / 0.3611 + 0.1159))
    expected = gradient(lambda latent: tiny.reference_picture(reference, latent))
    assert relative(found, expected) < 8 * rounding(torch.float32)  # the picture is handed on in float32


@pytest.mark.parametrize("vae, steps", [("taesd", 3), ("kl", 1)])
def test_recompute_equals_keep_exactly(tiny, flux, vaes, noise, vae, steps):
    found = {}
    for memory in ("keep", "recompute"):
        found[memory] = []
        optimize(tiny.guider(flux.stock), noise, vaes[vae].stock, Ramp(), memory, steps=steps, seen=found[memory])
    assert len(found["keep"]) == steps
    for kept, recomputed in zip(found["keep"], found["recompute"], strict=True):
        assert torch.equal(kept, recomputed)


def test_recompute_really_recomputes(tiny, flux, vaes, noise, monkeypatch):
    """Each block runs once in a kept step, twice in a recomputed one (and once for the final evaluations)."""
    block = flux.stock.model.diffusion_model.double_blocks[0]
    calls = []
    handle = block.img_mlp.register_forward_hook(lambda *_: calls.append(1))
    counts = {}
    for memory in ("keep", "recompute"):
        calls.clear()
        optimize(tiny.guider(flux.stock), noise, vaes["taesd"].stock, Ramp(), memory, steps=4)
        counts[memory] = len(calls)
    handle.remove()
    assert counts == {"keep": 4 + 2, "recompute": 2 * 4 + 2}


@pytest.mark.parametrize("steps", [1, 3])
def test_stock_sampler_reproduces_the_optimized_latent(tiny, flux, vaes, noise, steps):
    guider = tiny.guider(flux.stock)
    record, latent = optimize(guider, noise, vaes["taesd"].stock, Ramp(), "auto", steps=3, sigmas=SIGMAS[steps])
    assert (record.best_reward > record.rewards[0]).all()
    stock = plain(guider, record.best_noise, SIGMAS[steps])
    assert (stock - latent).abs().max() < 1e-4
    with torch.inference_mode():
        pictures = [vaes["taesd"].stock.decode(z) for z in (stock, latent)]
    assert (pictures[0] - pictures[1]).abs().max() < 2e-3


@pytest.mark.parametrize("sigmas", [(1.0, 0.0), (0.8, 0.4, 0.0)])
def test_gradient_with_a_mask(tiny, flux, vaes, noise, monkeypatch, sigmas):
    """The noise also shows through where the mask is 0; that part of its gradient has the same size as the rest."""
    from gper_pack.nodes.differentiable import euler_rollout, vae_decode

    guider, start = tiny.guider(flux.stock), 0.5 * torch.ones_like(noise)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1

    def gradient():
        seen = []
        optimize(guider, noise, vaes["taesd"].stock, Ramp(), "keep", sigmas=sigmas, latent=start, mask=mask, seen=seen)
        return seen[0]

    found = gradient()
    for module in (euler_rollout, vae_decode):
        monkeypatch.setattr(module, "with_scaled_gradient", lambda stage: stage)
    assert relative(found, gradient()) < 1e-6


def test_start_picture_and_mask(tiny, flux, vaes, noise):
    """Image to image with a noise mask: outside the mask the latent stays, and the stock sampler agrees."""
    guider = tiny.guider(flux.stock)
    start = 0.5 * torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(9))
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1
    sigmas = [0.8, 0.4, 0.0]
    record, latent = optimize(
        guider, noise, vaes["taesd"].stock, Ramp(), "auto", steps=3, sigmas=sigmas, latent=start, mask=mask
    )
    stock = plain(guider, record.best_noise, sigmas, latent=start, mask=mask)
    assert (stock - latent).abs().max() < 1e-4
    assert (latent[..., 4:] - start[..., 4:]).abs().max() < 1e-4
    assert (record.best_reward > record.rewards[0]).all()


class FailsInBackward(Ramp):
    """Out of memory in the backward pass of the second evaluation, once."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, images, prompts=None):
        self.calls += 1
        if self.calls == 2:
            images.register_hook(self.fail)
        return super().forward(images)

    @staticmethod
    def fail(gradient):
        raise ZeroDivisionError("broken in the backward pass")


class CancelsLater(Ramp):
    """The user presses cancel while the second evaluation is scored."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, images, prompts=None):
        import comfy.model_management

        self.calls += 1
        if self.calls == 2:
            comfy.model_management.interrupt_current_processing(True)
        return super().forward(images)


@pytest.mark.parametrize("ending", ["done", "cancelled", "cancelled later", "failed", "failed in backward"])
@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_comfyui_is_as_it_was(tiny, flux, vaes, noise, memory, ending):
    import comfy.model_management as management

    guider = tiny.guider(flux.stock)
    before = plain(guider, noise)
    conds = [list(guider.original_conds[key]) for key in sorted(guider.original_conds)]
    weights = {key: value.clone() for key, value in flux.stock.model.state_dict().items()}
    if ending == "done":
        optimize(guider, noise, vaes["taesd"].stock, Ramp(), memory, steps=2)
    elif ending == "failed":
        with pytest.raises(RuntimeError, match="broken reward"):
            optimize(guider, noise, vaes["taesd"].stock, Fails(), memory)
    elif ending == "failed in backward":
        with pytest.raises(ZeroDivisionError):
            optimize(guider, noise, vaes["taesd"].stock, FailsInBackward(), memory, steps=5)
    else:
        reward = CancelsLater()
        if ending == "cancelled":
            management.interrupt_current_processing(True)
        try:
            with pytest.raises(management.InterruptProcessingException):
                optimize(guider, noise, vaes["taesd"].stock, reward, memory, steps=5)
        finally:
            management.interrupt_current_processing(False)
        assert reward.calls == (0 if ending == "cancelled" else 2)
    assert management.in_training is False
    blocks = flux.stock.model.diffusion_model
    assert all("forward" not in block.__dict__ for block in [*blocks.double_blocks, *blocks.single_blocks])
    assert torch.equal(plain(guider, noise), before)
    assert [list(guider.original_conds[key]) for key in sorted(guider.original_conds)] == conds
    after = flux.stock.model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in weights.items())
    assert torch.is_inference_mode_enabled() is False


def test_a_patched_forward_stays_in_effect(tiny, flux, vaes, noise):
    """Another pack may have replaced a block's forward; it is wrapped, and put back."""
    block = flux.stock.model.diffusion_model.single_blocks[0]
    original = block.forward
    calls = []

    def patched(*args, **kwargs):
        calls.append(1)
        return original(*args, **kwargs)

    block.forward = patched
    try:
        optimize(tiny.guider(flux.stock), noise, vaes["taesd"].stock, Ramp(), "recompute")
        assert calls and block.forward is patched
    finally:
        del block.forward


def test_weights_are_shared_not_copied(tiny, flux, vaes, noise):
    addresses = {key: value.data_ptr() for key, value in flux.stock.model.state_dict().items()}
    optimize(tiny.guider(flux.stock), noise, vaes["taesd"].stock, Ramp(), "recompute")
    after = {key: value.data_ptr() for key, value in flux.stock.model.state_dict().items()}
    assert after == addresses
    assert not any(p.requires_grad or p.is_inference() for p in flux.stock.model.parameters())


@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_a_learned_reward_recomputed_or_kept(tiny, flux, vaes, noise, tmp_path, memory):
    """Recomputing inside the reward does not change the gradient, whatever the model does."""
    from gper_pack.reward_models import load_reward

    from tests.reward_models import small_checkpoints as small

    small.huggingface_clip(tmp_path / "clip.safetensors")
    found = []
    for recompute in (False, True):
        reward = load_reward(tmp_path / "clip.safetensors", recompute=recompute)
        seen = []
        optimize(
            tiny.guider(flux.stock), noise, vaes["taesd"].stock, lambda i, r=reward: r(i, "a house"), memory, seen=seen
        )
        found.append(seen[0])
    assert found[0].norm() > 0 and relative(found[1], found[0]) < 1e-6


def test_another_attention_does_not_reach_the_gradient(tiny, flux, vaes, noise):
    """A kernel without a backward, chosen by the user for this model, gives way to PyTorch's for the run alone."""

    def inference_only(original, *args, **kwargs):
        return original(*args, **kwargs).detach()

    expected, found = [], []
    optimize(tiny.guider(flux.stock), noise, vaes["taesd"].stock, Ramp(), "keep", seen=expected)
    model = flux.stock.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = inference_only
    optimize(tiny.guider(model), noise, vaes["taesd"].stock, Ramp(), "keep", seen=found)
    assert torch.equal(found[0], expected[0])
    assert model.model_options["transformer_options"]["optimized_attention_override"] is inference_only


def test_what_comfyui_notes_on_a_parameter_stays(pack):
    from gper_pack.nodes.differentiable.ordinary_tensors import freeze_as_ordinary

    with torch.inference_mode():
        module = torch.nn.Linear(3, 2)
        module.weight._model_dtype = torch.bfloat16
    address, values = module.weight.data_ptr(), module.weight.tolist()
    freeze_as_ordinary(module)
    assert not module.weight.is_inference() and not module.weight.requires_grad
    assert module.weight.data_ptr() == address and module.weight.tolist() == values
    assert module.weight._model_dtype == torch.bfloat16


def test_conditioning_is_cloned_only_where_autograd_cannot_use_it(pack):
    from gper_pack.nodes.differentiable.ordinary_tensors import clone_inference_tensors

    with torch.inference_mode():
        made_by_a_node = torch.ones(2)
    ordinary, control = torch.zeros(2), object()
    conds = {"positive": [{"cross_attn": made_by_a_node, "extra": (ordinary, [made_by_a_node]), "control": control}]}
    entry = clone_inference_tensors(conds)["positive"][0]
    assert not entry["cross_attn"].is_inference() and not entry["extra"][1][0].is_inference()
    assert torch.equal(entry["cross_attn"], made_by_a_node)
    assert entry["extra"][0] is ordinary and entry["control"] is control
    assert conds["positive"][0]["cross_attn"] is made_by_a_node
