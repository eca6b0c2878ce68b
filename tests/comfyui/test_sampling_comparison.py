"""The comparison of ways to sample, on a tiny model in ComfyUI: its steps are ComfyUI's, and a tilt climbs."""

import pytest
import torch

pytestmark = pytest.mark.usefixtures("newer_host")

PROMPT = "a red fox"


@pytest.fixture(scope="module")
def subject(pack, tmp_path_factory):
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode

    from benchmarks.comparison.comfyui_subject import ComfyUISubject

    from . import tiny_models

    folder = tmp_path_factory.mktemp("models")
    return ComfyUISubject(
        tiny_models.flux(folder).stock,
        tiny_models.taesd(folder).stock,
        {PROMPT: tiny_models.conditioning(3)},
        PictureStatisticsNode.execute("brightness")[0],
        {"contrast": PictureStatisticsNode.execute("contrast")[0]},
        size=64,
        steps=2,
    )


@pytest.mark.numerical
def test_plain_sampling_is_comfyuis_ancestral_sampler(subject):
    import comfy.samplers

    from benchmarks.sampling.ways import STEPS, Task, sample

    from . import tiny_models

    task = Task(subject, (5,))
    sampled, draw = sample(task).tensor, task.draws()
    guider = comfy.samplers.CFGGuider(subject._model)
    guider.set_conds(tiny_models.conditioning(3), tiny_models.conditioning(3))
    guider.set_cfg(1.0)
    noise = draw()
    stock = comfy.samplers.ksampler("euler_ancestral", {"noise_sampler": lambda *_: draw()})
    expected = guider.sample(noise, torch.zeros_like(noise), stock, subject.schedule(STEPS), seed=0)
    assert torch.allclose(sampled, subject._model.model.process_latent_in(expected), atol=1e-4)


def test_a_tilted_run_is_kept_and_climbs(subject, tmp_path):
    from benchmarks.sampling.runs import Plan, Runs
    from benchmarks.sampling.ways import WAYS

    runs = Runs(subject, subject, Plan(noises=1, tuning_noises=1, batch=1), tmp_path)
    plain, tilted, optimized = (
        runs.row(WAYS[name], setting, count, 5, 1)
        for name, setting, count in (("plain", None, 1), ("tilt-both", 0.25, 1), ("optimizer", 0.1, 2))
    )
    assert tilted.values["target"] > plain.values["target"]
    assert all((row.values[key] == row.values[key]).all() for row in (plain, tilted, optimized)
               for key in ("target", "held out: contrast", "judge: autoencoder"))  # fmt: skip
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
