"""Every kind of model in the table: loaded by the stock loaders, its gradient against diffusers, and optimized."""

import logging
from pathlib import Path

import pytest
import torch

from .ascents import Ramp, only_in_stages, optimize, plain, relative

FAMILIES = {
    "FLUX.1 schnell": ("tiny_flux", "schnell", "FLUX.1"),
    "FLUX.1 dev": ("tiny_flux", "dev", "FLUX.1"),
    "FLUX.2 klein": ("tiny_flux2", "klein", "FLUX.2"),
    "Chroma": ("tiny_chroma", "chroma", "Chroma"),
    "Z-Image-Turbo": ("tiny_z_image", "turbo", "Z-Image, Lumina 2"),
    "Qwen-Image": ("tiny_qwen_image", "qwen_image", "Qwen-Image"),
    "Krea 2": ("tiny_krea2", "krea2", "Krea 2"),
    "SDXL-Turbo": ("tiny_unet", "sdxl_turbo", "SDXL"),
    "SD-Turbo": ("tiny_unet", "sd_turbo", "SD 1 and 2"),
}


@pytest.fixture(scope="module")
def load(pack, tmp_path_factory):
    """A family by its name, each built once."""
    import importlib

    built = {}

    def by_name(name):
        if name not in built:
            module = importlib.import_module(f".{FAMILIES[name][0]}", __package__)
            built[name] = getattr(module, FAMILIES[name][1])(tmp_path_factory.mktemp("model"))
        return built[name]

    return by_name


def test_the_docs_list_the_table_of_models(pack):
    from gper_pack.nodes.differentiable.model_presets import PRESETS

    text = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = text.split("| model | learning rate | tested as |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    listed = [tuple(cell.strip() for cell in row.strip("|").split("|"))[:2] for row in rows]
    assert listed == [(preset.name, f"{preset.learning_rate:g}") for preset in PRESETS]
    assert {name for _, _, name in FAMILIES.values()} == {preset.name for preset in PRESETS}, "each is tested"


@pytest.mark.parametrize("name", ["FLUX.1", "SDXL"])
def test_the_cost_of_decoding_is_counted(pack, name):
    """Multiplications at full size, on the meta device; the table decides by them what is recomputed first."""
    from diffusers import AutoencoderKL, FluxTransformer2DModel, UNet2DConditionModel
    from gper_pack.nodes.differentiable.model_presets import PRESETS
    from torch.utils.flop_counter import FlopCounterMode

    def count(model, *args, **kwargs):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(*args, **kwargs)
        return counter.get_total_flops()

    with torch.device("meta"):
        vae = AutoencoderKL(
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=16,
        )
        decoding = count(vae.decode, torch.empty(1, 16, 128, 128))
        time = torch.empty(1)
        if name == "FLUX.1":
            transformer, texts = FluxTransformer2DModel(), (torch.empty(1, 256, 4096), torch.empty(1, 768))
            positions = torch.empty(4096, 3), torch.empty(256, 3)
            evaluation = count(transformer, torch.empty(1, 4096, 64), *texts, time, *positions)
        else:
            unet = UNet2DConditionModel(
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                block_out_channels=(320, 640, 1280),
                transformer_layers_per_block=[1, 2, 10],
                attention_head_dim=[5, 10, 20],
                cross_attention_dim=2048,
                use_linear_projection=True,
            )
            evaluation = count(unet, torch.empty(1, 4, 128, 128), time, torch.empty(1, 77, 2048))
    preset = next(preset for preset in PRESETS if preset.name == name)
    assert preset.decoding == pytest.approx(decoding / evaluation, rel=0.1)


@pytest.fixture(params=FAMILIES)
def family(request, load):
    return load(request.param)


@pytest.mark.numerical
@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_gradient_is_that_of_diffusers(family, memory):
    seen = []
    record, _ = optimize(family.guider, family.noise, family.vae, Ramp(), memory, sigmas=family.sigmas, seen=seen)
    x = family.noise.clone().requires_grad_(True)
    rewards = Ramp()(family.reference_picture(family.reference_rollout(x, family.sigmas)))
    expected = torch.autograd.grad(rewards.sum(), x)[0]
    assert torch.allclose(record.rewards[0], rewards, rtol=1e-4, atol=1e-6)
    assert relative(seen[0], expected) < 1e-4


@pytest.mark.numerical
def test_recompute_is_keep_with_guidance_and_two_steps(family):
    found = {}
    for memory in ("keep", "recompute"):
        found[memory] = []
        optimize(
            family.guided(2.0), family.noise, family.vae, Ramp(), memory, sigmas=family.two_steps, seen=found[memory]
        )
    assert relative(found["recompute"][0], found["keep"][0]) < 1e-5


@pytest.mark.numerical
def test_in_stages_it_is_keep(family, monkeypatch):
    """The generator runs once more for its backward pass, here in two steps and with guidance."""

    def gradient(memory):
        seen = []
        optimize(family.guided(2.0), family.noise, family.vae, Ramp(), memory, sigmas=family.two_steps, seen=seen)
        return seen[0]

    expected = gradient("keep")
    only_in_stages(monkeypatch)
    assert relative(gradient("auto"), expected) < 1e-5


@pytest.mark.numerical
def test_half_of_the_blocks_recomputed_is_keep(family, monkeypatch):
    from gper_pack.nodes.differentiable import backward_plan

    found = {}
    for share in (0.0, 0.5):
        monkeypatch.setattr(backward_plan, "GENERATOR_SHARES", (share,))
        found[share] = []
        optimize(family.guider, family.noise, family.vae, Ramp(), "auto", sigmas=family.sigmas, seen=found[share])
    assert relative(found[0.5][0], found[0.0][0]) < 1e-6


def test_every_block_is_recomputed(family):
    """With one step of ascent a block runs three times, and once more in the backward pass if that recomputes it.

    The text's own blocks in Z-Image see no gradient, so nothing of them is kept or recomputed.
    """
    from gper_pack.nodes.differentiable.model_presets import repeated_blocks

    model = family.stock.model.diffusion_model
    names = {module: name for name, module in model.named_modules()}
    blocks = [names[block] for block in repeated_blocks(model)]
    runs = {}

    def count(name):
        def inner(*_):
            runs[name] += 1

        return inner

    first = {
        name: next(part for part in model.get_submodule(name).modules() if not [*part.children()]) for name in blocks
    }
    handles = [part.register_forward_hook(count(name)) for name, part in first.items()]
    for memory in ("keep", "recompute"):
        runs.update(dict.fromkeys(blocks, 0))
        optimize(family.guider, family.noise, family.vae, Ramp(), memory, sigmas=family.sigmas)
        again = 1 if memory == "recompute" else 0
        assert runs == {name: 3 + again * (not name.startswith("context_refiner")) for name in blocks}
    for handle in handles:
        handle.remove()
    assert len(blocks) >= 2


@pytest.mark.numerical
@pytest.mark.parametrize("start", ["from noise", "from a picture"])
def test_the_rollout_is_the_stock_euler_sampler(family, start):
    """Bit for bit, where both use the kernels that have a backward."""
    from gper_pack.nodes.differentiable.attention import with_differentiable_attention
    from gper_pack.nodes.differentiable.host_state import gradients_enabled

    sigmas, latent = family.two_steps, None
    if start == "from a picture":
        sigmas = [0.6 * sigma for sigma in sigmas]
        latent = 0.5 * torch.randn(family.noise.shape, generator=torch.Generator().manual_seed(9))
    record, ours = optimize(family.guider, family.noise, family.vae, Ramp(), "keep", sigmas=sigmas, latent=latent)
    guider = family.guider
    guider.model_options = with_differentiable_attention(guider.model_options)
    with gradients_enabled():
        assert torch.equal(plain(guider, record.best_noise, sigmas, latent), ours)
    stock = plain(family.guider, record.best_noise, sigmas, latent)
    assert (stock - ours).abs().max() < 1e-4 * stock.abs().max()


@pytest.mark.parametrize("name", FAMILIES)
def test_the_node_optimizes_it(load, name):
    """With the model's own scheduler, in its preset and by default everywhere else."""
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
    from gper_pack.nodes.differentiable.model_presets import preset_for
    from gper_pack.nodes.noise_optimizer import NoiseOptimizer
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode

    family = load(name)
    preset = preset_for(family.stock)
    assert preset.known and preset.name == FAMILIES[name][2]
    with torch.inference_mode():
        output = NoiseOptimizer.PREPARE_CLASS_CLONE(None).execute(
            noise=Noise_RandomNoise(7),
            guider=family.guider,
            sigmas=schedule(family.stock),
            latent_image={"samples": torch.zeros_like(family.noise)},
            vae=family.vae,
            reward=PictureStatisticsNode.execute("brightness")[0],
            prompt="",
            steps=4,
            learning_rate=0.0,
            time_budget=0.0,
            preview_every=0,
        )
    history = torch.tensor(output.ui["reward_history"])
    assert (history[-1] > history[0]).all()
    assert f"{preset.name}: learning rate {preset.learning_rate:g}, the model's preset." in output.args[2]


def schedule(stock):
    """One step of the scheduler that the model's workflows use."""
    from comfy_extras.nodes_custom_sampler import BasicScheduler, SDTurboScheduler

    if type(stock.model.diffusion_model).__name__ == "UNetModel":
        return SDTurboScheduler.execute(stock, 1, 1.0).args[0]
    return BasicScheduler.execute(stock, "simple", 1, 1.0).args[0]


def test_a_video_is_refused(load):
    """Qwen-Image's latents may hold several frames; a reward judges one picture."""
    from gper_pack.nodes.refusals.optimizer_inputs import check_latent

    family = load("Qwen-Image")
    assert check_latent(family.noise, family.stock) is family.noise
    with pytest.raises(ValueError, match="3 latent frames.*length of the empty latent to 1"):
        check_latent(family.noise.repeat(1, 1, 3, 1, 1), family.stock)
    with pytest.raises(ValueError, match="that of a video"):
        check_latent(family.noise, load("FLUX.1 schnell").stock)


def test_another_model_is_kept_and_named(load, monkeypatch, caplog):
    """A model that the table does not hold: its gradient is right, and what is missing is said."""
    from gper_pack.nodes.differentiable import model_presets

    family = load("SD-Turbo")
    seen = {"known": [], "unknown": []}
    optimize(family.guider, family.noise, family.vae, Ramp(), "keep", sigmas=family.sigmas, seen=seen["known"])
    monkeypatch.setattr(model_presets, "PRESETS", ())
    preset = model_presets.preset_for(family.stock)
    assert (preset.known, preset.name, preset.learning_rate) == (False, "BaseModel", 0.02)
    with caplog.at_level(logging.WARNING):
        optimize(
            family.guider, family.noise, family.vae, Ramp(), "recompute", sigmas=family.sigmas, seen=seen["unknown"]
        )
    assert "UNetModel" in caplog.text and torch.equal(seen["known"][0], seen["unknown"][0])
    said = model_presets.learning_rate_text(preset, 0.0)
    assert "not in the table of known models" in said and "everything is kept" in said
    assert "learning rate 0.3, set by hand" in model_presets.learning_rate_text(preset, 0.3)


def test_a_relative_goes_by_its_own_name(load):
    from gper_pack.nodes.differentiable.model_presets import preset_for

    class Relative(type(load("SDXL-Turbo").stock.model)):
        def __init__(self, model):
            torch.nn.Module.__init__(self)
            self.diffusion_model = model.diffusion_model

    class Patcher:
        model = Relative(load("SDXL-Turbo").stock.model)

    preset = preset_for(Patcher)
    assert preset.known and preset.name == "Relative" and preset.learning_rate == 0.1 and preset.blocks
