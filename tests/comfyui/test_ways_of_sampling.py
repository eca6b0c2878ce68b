"""However it is sampled: SamplerCustomAdvanced paints from the optimized noise what the Noise Optimizer has found."""

import pytest
import torch

SCHEDULERS = ("simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic",
              "kl_optimal")  # fmt: skip
# At one step these are Euler's.
ONE_STEP = ("euler", "heun", "dpm_2", "lms", "dpmpp_2m", "ddim", "ipndm", "deis", "gradient_estimation")
WAYS = (
    [
        dict(scheduler=scheduler, steps=steps)
        for scheduler in SCHEDULERS
        for steps in (1, 2, 4)
        if (scheduler, steps) != ("kl_optimal", 1)  # whose sigma is not a number
    ]
    + [dict(sampler=sampler) for sampler in ONE_STEP]
    + [dict(denoise=denoise, steps=steps) for denoise in (0.3, 0.6, 0.9) for steps in (1, 2, 3)]
    + [dict(width=width, height=height) for width in (8, 12, 22) for height in (8, 10, 18)]
    + [dict(batch=batch, steps=steps) for batch in (2, 3, 5) for steps in (1, 2)]
    + [dict(cfg=cfg, steps=steps) for cfg in (1.0, 2.0, 4.5) for steps in (1, 2)]
    + [dict(mask=mask, denoise=denoise) for mask in ("half", "each") for denoise in (0.5, 1.0)]
    + [dict(memory=memory, batch=2, cfg=3.0, steps=3) for memory in ("keep", "recompute", "auto")]
    + [dict(steps=8)]
    + [dict(index=[3, 1], batch=2), dict(index=[0, 0], batch=2)]
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(f"{key}={value}" for key, value in way.items()))
def test_it_is_the_same_picture(node_classes, tiny, flux, vaes, way):
    from comfy_extras.nodes_custom_sampler import (
        BasicScheduler,
        KSamplerSelect,
        Noise_RandomNoise,
        SamplerCustomAdvanced,
    )  # fmt: skip

    batch, height, width = (way.get(key, usual) for key, usual in (("batch", 1), ("height", 8), ("width", 8)))
    start = torch.zeros(batch, 16, height, width)
    latent = {"samples": start} | ({"batch_index": way["index"]} if "index" in way else {})
    denoise = way.get("denoise", 1.0)
    if denoise < 1:
        latent["samples"] = torch.randn(start.shape, generator=torch.Generator().manual_seed(1))
    if "mask" in way:
        latent["noise_mask"] = torch.zeros(batch, 1, 8 * height, 8 * width)
        latent["noise_mask"][..., : 4 * width] = 1.0 if way["mask"] == "half" else 0.5
    guider = tiny.guider(flux, cfg=way["cfg"]) if "cfg" in way else tiny.guider(flux)
    with torch.inference_mode():
        sigmas = BasicScheduler.execute(flux, way.get("scheduler", "simple"), way.get("steps", 1), denoise)[0]
        node = node_classes["GPER_NoiseOptimizer"].PREPARE_CLASS_CLONE(None)
        reward = node_classes["GPER_PictureStatistics"].execute("contrast")[0]
        noise, found = node.execute(
            Noise_RandomNoise(7), guider, sigmas, latent, vaes["taesd"], reward, prompt="", steps=2, learning_rate=0.1,
            time_budget=0.0, preview_every=0, memory=way.get("memory", "keep"),
        ).args[:2]  # fmt: skip
        sampler = KSamplerSelect.execute(way.get("sampler", "euler"))[0]
        plain, painted = (
            SamplerCustomAdvanced.execute(start_noise, guider, sampler, sigmas, latent)[0]["samples"]
            for start_noise in (Noise_RandomNoise(7), noise)
        )
        pictures = [vaes["taesd"].decode(samples) for samples in (plain, painted, found["samples"])]
    assert (pictures[1] - pictures[2]).abs().max() <= 1e-5 < (pictures[1] - pictures[0]).abs().max()
