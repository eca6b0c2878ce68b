"""A small graph on the demo world, as an API prompt, for tests that change a part of it."""

from __future__ import annotations

from typing import Any


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def demo_graph(steps: int = 3) -> dict[str, Any]:
    """From seed to saved picture, one 64 x 64 landscape; the keys are words."""
    return {
        "world": node("GPER_DemoWorld", scene="day"),
        "latent": node("EmptySD3LatentImage", width=64, height=64, batch_size=1),
        "seed": node("RandomNoise", noise_seed=7),
        "guider": node("BasicGuider", model=["world", 0], conditioning=["world", 2]),
        "schedule": node("BasicScheduler", model=["world", 0], scheduler="simple", steps=1, denoise=1.0),
        "euler": node("KSamplerSelect", sampler_name="euler"),
        "optimizer": node(
            "GPER_NoiseOptimizer",
            noise=["seed", 0],
            guider=["guider", 0],
            sigmas=["schedule", 0],
            latent_image=["latent", 0],
            vae=["world", 1],
            reward=["world", 3],
            prompt="",
            steps=steps,
            learning_rate=0.05,
            time_budget=0.0,
            preview_every=0,
            memory="keep",
            patience=0,
            target_reward=1000.0,
        ),
        "sampler": sampler(["optimizer", 0]),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["world", 1]),
        "picture": node("SaveImage", images=["decode", 0], filename_prefix="picture"),
    }


def sampler(noise: list, latent: list | None = None) -> dict[str, Any]:
    return node(
        "SamplerCustomAdvanced",
        noise=noise,
        guider=["guider", 0],
        sampler=["euler", 0],
        sigmas=["schedule", 0],
        latent_image=latent or ["latent", 0],
    )
