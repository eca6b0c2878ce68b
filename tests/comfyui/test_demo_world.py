"""Demo World called as ComfyUI calls it: what it logs, what its VAE cannot do, and its model of many steps."""

import logging

import pytest
import torch


def test_it_loads_without_a_warning(node_classes, caplog):
    with caplog.at_level(logging.INFO):
        node_classes["GPER_DemoWorld"].execute("day")
    assert caplog.records, "the host's log is not seen"
    assert [record.getMessage()[:200] for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_its_vae_refuses_to_encode(node_classes):
    """It has no encoder: what came out was made of whatever lay in memory."""
    vae = node_classes["GPER_DemoWorld"].execute("day")[1]
    with pytest.raises(ValueError, match="decodes only: start from an empty latent"):
        vae.encode(torch.full((1, 64, 64, 3), 0.5))


@pytest.mark.parametrize("sampling, height, width", [("one step", 64, 64), ("one step", 8, 16), ("many steps", 16, 16)])
def test_its_vae_refuses_other_sizes(node_classes, sampling, height, width):
    vae = node_classes["GPER_DemoWorld"].execute("day", sampling)[1]
    known = "64 x 64 or 128 x 128 or 256 x 256" if sampling == "one step" else "64 x 64"
    with pytest.raises(ValueError, match=f"paints {known} pixels .* for {8 * width} x {8 * height}: set width and"):
        vae.decode(torch.zeros(1, 16, height, width))
    side = 32 if sampling == "one step" else 8
    assert vae.decode(torch.zeros(1, 16, side, side)).shape == (1, 8 * side, 8 * side, 3)


@pytest.mark.numerical
@pytest.mark.parametrize("name", ["euler", "euler_ancestral"])
def test_its_model_of_many_steps_samples_as_in_diffusers(pack, name):
    """Through ComfyUI's stock loader, scheduler and samplers, against the demo world's own; the same noise comes in."""
    import comfy.samplers
    import comfy.sd

    from demo_world import asset_path, conditions, flow, load_flow

    steps, prompts = 8, torch.tensor([2, 2])
    model = comfy.sd.load_diffusion_model(str(asset_path("flow")))
    context, pooled = conditions("flow")["night"]
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds([[context, {"pooled_output": pooled}]], [[context, {"pooled_output": pooled}]])
    guider.set_cfg(1.0)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", steps)
    torch.testing.assert_close(sigmas, flow.sigmas(steps))
    noise = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(3))
    fresh = torch.Generator().manual_seed(4)
    options = {"noise_sampler": lambda *_: torch.randn(noise.shape, generator=fresh)} if "ancestral" in name else {}
    sample = guider.sample(noise, torch.zeros_like(noise), comfy.samplers.ksampler(name, options), sigmas, seed=0)
    with torch.no_grad():
        network, seeded = load_flow(), {"generator": torch.Generator().manual_seed(4)} if options else {}
        expected = getattr(flow, name)(network, noise, prompts, steps=steps, **seeded)
    torch.testing.assert_close(model.model.process_latent_in(sample), expected, atol=1e-4, rtol=0)


@pytest.mark.numerical
def test_its_larger_pictures_are_those_of_diffusers(pack, node_classes):
    """128 pixels through ComfyUI's stock loaders of the model and of the TAESD, in one step."""
    import comfy.samplers

    from demo_world import load_world

    model, vae, condition, *_ = node_classes["GPER_DemoWorld"].execute("night").result
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(condition, condition)
    guider.set_cfg(1.0)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", 1)
    noise = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(3))
    sample = guider.sample(noise, torch.zeros_like(noise), comfy.samplers.ksampler("euler"), sigmas, seed=0)
    with torch.no_grad():
        world = load_world()
        torch.testing.assert_close(
            model.model.process_latent_in(sample), world.denoised(noise, "night"), atol=1e-4, rtol=0
        )
        pictures = vae.decode(sample).movedim(-1, 1)
        torch.testing.assert_close(pictures, world.generate(noise, "night"), atol=1e-4, rtol=0)
