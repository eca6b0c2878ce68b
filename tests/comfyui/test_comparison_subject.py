"""The comparison's subject in ComfyUI: the same pictures and gradients as the Noise Optimizer, at tiny size."""

import pytest
import torch

pytestmark = pytest.mark.usefixtures("newer_host")

PROMPTS = ("a red fox", "a barn owl")


@pytest.fixture(scope="module")
def parts(pack, tmp_path_factory):
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode

    from . import tiny_models

    folder = tmp_path_factory.mktemp("models")
    return dict(
        model=tiny_models.flux(folder).stock,
        vae=tiny_models.taesd(folder).stock,
        conditionings={prompt: tiny_models.conditioning(seed) for seed, prompt in enumerate(PROMPTS, 3)},
        target=PictureStatisticsNode.execute("brightness")[0],
        held_out={"contrast": PictureStatisticsNode.execute("contrast")[0]},
    )


@pytest.fixture(scope="module")
def subject_of(parts):
    from benchmarks.comparison.comfyui_subject import ComfyUISubject

    return lambda **changes: ComfyUISubject(**{**parts, "size": 64, "batch": 2, **changes})


@pytest.fixture(scope="module")
def subject(subject_of):
    return subject_of()


def noise(batch=2, seed=0):
    return torch.randn(batch, 16, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_it_says_what_it_is(subject):
    assert subject.name == "FLUX.1" and subject.prompts == PROMPTS and subject.latent_shape == (16, 8, 8)
    assert subject.feature_distance(None) is None and subject.sound_pictures(4) is None


def test_scores_and_errors_are_one_number_a_picture(subject, parts):
    with torch.no_grad():
        images = subject.generate(noise(), list(PROMPTS))
    assert images.shape == (2, 3, 64, 64) and images.min() >= 0 and images.max() <= 1
    scores = [
        subject.reward(images, list(PROMPTS)),
        subject.held_out["contrast"](images, list(PROMPTS)),
        subject.judges["autoencoder"](images),
    ]
    assert all(score.shape == (2,) and score.device.type == "cpu" and torch.isfinite(score).all() for score in scores)
    assert torch.equal(scores[0], parts["target"].model(images, None).cpu())


def test_every_noise_gets_the_picture_of_its_own_prompt(subject):
    """In any order and company; the other prompt gives another picture."""
    with torch.no_grad():
        mixed = subject.generate(noise(3), [PROMPTS[1], PROMPTS[0], PROMPTS[1]])
        alone = [
            subject.generate(noise(3)[i : i + 1], [prompt])[0]
            for i, prompt in enumerate([PROMPTS[1], PROMPTS[0], PROMPTS[1]])
        ]
        other = subject.generate(noise(3)[:1], [PROMPTS[0]])[0]
    assert torch.allclose(mixed, torch.stack(alone), atol=1e-5)
    assert (mixed[0] - other).abs().max() > 1e-3


@pytest.mark.numerical
@pytest.mark.parametrize("steps", [1, 3])
def test_the_ascent_is_that_of_the_noise_optimizer(subject_of, parts, steps):
    """Rewards and best noise of a run, against the same run inside ComfyUI's sampler."""
    from functools import partial

    import comfy.samplers
    from gper_pack.nodes.differentiable.gradient_run import optimize_noise
    from gper_pack.nodes.differentiable.guided_sampling import GuidedSampling

    from optimization import Stopping, ascend
    from preconditioning import WhiteGaussianProjector

    ours = subject_of(steps=steps)
    climb = partial(ascend, preconditioner=WhiteGaussianProjector(), stopping=Stopping(steps=2))
    prompts = [PROMPTS[0]] * 2
    record = climb(
        noise(),
        lambda x: ours.generate(x, prompts),
        lambda images: ours.reward(images, prompts),
        graph_context=ours.graph_context,
    )
    guider = comfy.samplers.CFGGuider(parts["model"])
    guider.set_conds(parts["conditionings"][PROMPTS[0]], parts["conditionings"][PROMPTS[0]])
    guider.set_cfg(1.0)
    sigmas = comfy.samplers.calculate_sigmas(parts["model"].get_model_object("model_sampling"), "simple", steps)
    sampling = GuidedSampling(guider, noise(), torch.zeros(2, 16, 8, 8), sigmas, parts["vae"], parts["target"].model)
    expected, _ = optimize_noise(sampling, "auto", climb)
    assert torch.allclose(record.reward_history(), expected.reward_history(), atol=1e-6)
    assert torch.allclose(record.best_noise, expected.best_noise, atol=1e-5)
    assert (record.best_reward > record.rewards[0]).all()


def test_the_host_is_left_as_it_was(subject):
    import comfy.model_management

    with subject.graph_context():
        assert comfy.model_management.in_training
    assert not comfy.model_management.in_training


@pytest.mark.parametrize("name", ["gper", "reno", "best-of-n", "local-search"])
def test_contenders_run_on_it(subject, name, tmp_path):
    from benchmarks.comparison.cells import Cell, run_cell
    from benchmarks.comparison.contenders import METHODS

    contender = METHODS[name]
    trajectory = run_cell(Cell(contender, contender.step_sizes[0], 5, 2, 2), subject, tmp_path)
    assert trajectory.rewards.shape == (3, 2) and torch.isfinite(trajectory.rewards).all()
    assert trajectory.noise.shape[1:] == (2, 16, 8, 8)


def test_prompt_files(pack, tmp_path):
    from benchmarks.comparison.comfyui_subject import PROMPTS as FOLDER
    from benchmarks.comparison.comfyui_subject import read_prompts

    sets = [read_prompts(FOLDER / name) for name in ("animals.txt", "compositions.txt")]
    assert [len(set(prompts)) for prompts in sets] == [20, 20]
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(ValueError, match="holds no prompt"):
        read_prompts(tmp_path / "empty.txt")


@pytest.mark.parametrize(
    "names, message",
    [
        (dict(), "a checkpoint or a diffusion model"),
        (dict(checkpoint="a", diffusion_model="b"), "one of the two"),
        (dict(diffusion_model="a"), "text encoders and a VAE"),
        (dict(checkpoint="a", clip_type="floox"), "choose one of .*flux"),
    ],
)
def test_file_names_that_do_not_go_together(pack, names, message):
    from benchmarks.comparison.comfyui_subject import ModelFiles

    with pytest.raises(ValueError, match=message):
        ModelFiles(**names)


def subject_from(*words):
    """What the command line makes of these words."""
    from benchmarks import methods

    options = methods.parser().parse_args(["--comfyui", *words])
    return methods.comfyui_subject(options, options.sampler_steps, 1)[0]


def test_a_subject_by_file_names(node_classes, host, tmp_path, monkeypatch):
    """Model, VAE and rewards through ComfyUI's folders; the text encoder alone is too large for a test."""
    import comfy.sd
    import folder_paths

    from tests.reward_models import small_checkpoints as small

    from . import tiny_models

    for folder in ("diffusion_models", "vae", "text_encoders", "reward_models"):
        monkeypatch.setitem(
            folder_paths.folder_names_and_paths,
            folder,
            ([str(tmp_path)], folder_paths.folder_names_and_paths[folder][1]),
        )
    folder_paths.filename_list_cache.clear()
    tiny_models.flux(tmp_path)
    tiny_models.taesd(tmp_path)
    small.hps_file(tmp_path / "HPS_v2.1_compressed.pt")
    small.huggingface_clip(tmp_path / "PickScore_v1.safetensors")
    (tmp_path / "encoder.safetensors").touch()
    read = []

    class Encoder:
        def tokenize(self, prompt):
            return prompt

        def encode_from_tokens_scheduled(self, prompt):
            read.append(prompt)
            return tiny_models.conditioning(len(read))

    monkeypatch.setattr(comfy.sd, "load_clip", lambda paths, clip_type: Encoder())
    (tmp_path / "prompts.txt").write_text("a red fox\n\na barn owl\n")
    subject = subject_from(
        "--diffusion-model",
        "flux.safetensors",
        "--text-encoders",
        "encoder.safetensors",
        "--vae",
        "taesd.safetensors",
        "--target",
        "HPS_v2.1_compressed.pt",
        "--held-out",
        "PickScore_v1.safetensors",
        "--prompts",
        str(tmp_path / "prompts.txt"),
        "--size",
        "64",
    )
    assert tuple(read) == subject.prompts == PROMPTS and len(subject.held_out) == 1
    x = noise(1).requires_grad_(True)
    with subject.graph_context():
        images = subject.generate(x, [PROMPTS[0]])
        gradient = torch.autograd.grad(subject.reward(images, [PROMPTS[0]]).sum(), x)[0]
    assert torch.isfinite(gradient).all() and gradient.any()
    held_out = next(iter(subject.held_out.values()))
    assert torch.isfinite(held_out(images.detach(), [PROMPTS[0]])).all()


@pytest.mark.parametrize(
    "words, message",
    [
        ((), "needs --target and at least one --held-out"),
        (("--target", "a.pt", "--held-out", "b.pt"), "a checkpoint or a diffusion model"),
        (("--target", "a", "--held-out", "b", "--checkpoint", "c", "--prompts", "plants"), "no prompt file plants"),
        (("--target", "a,clip.pt", "--held-out", "b", "--checkpoint", "c"), "no 'a' in ComfyUI's models folder"),
        (("--target", "a.pt", "--held-out", "b.pt", "--checkpoint", "c"), "no 'a.pt' in ComfyUI's models folder"),
    ],
)
def test_what_is_missing_on_the_command_line(node_classes, words, message):
    with pytest.raises(ValueError, match=message):
        subject_from(*words)


def test_without_a_comfyui(monkeypatch):
    import sys

    from tools import comfyui_in_process

    monkeypatch.delitem(sys.modules, "comfy.cli_args", raising=False)
    monkeypatch.setenv("COMFYUI_PATH", "/nowhere")
    with pytest.raises(ValueError, match="set it to the folder of a ComfyUI"):
        comfyui_in_process.start()


def test_a_reward_file_with_its_backbone(pack):
    from benchmarks.comparison.comfyui_subject import RewardFile

    assert RewardFile.parse("hps.pt") == RewardFile("hps.pt", "none")
    assert RewardFile.parse("head.pth,clip_vision/l14.safetensors").backbone == "clip_vision/l14.safetensors"
