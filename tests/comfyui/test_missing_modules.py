"""A whole module of ComfyUI that is missing: every node is there, and those that need it say so before they work."""

import ast
from contextlib import suppress

import pytest
import torch

from tests.reward_models.small_checkpoints import huggingface_clip
from tools.pack import ROOT

from .in_process import collect_node_classes
from .removed_names import PackLoadedAnew, remove_module

OPTIMIZER, SCORING = {"Noise Optimizer", "NoiseTilt Sampler"}, {"Score Images", "Rank Results"}
ENCODING = {"Reference Palette", "Reference Similarity", "Quality Words", "Learn Taste"}
REWARDS = {"Reward Model Loader", "Demo World", *ENCODING}
NEEDED_BY = {
    "comfy.sd": {*OPTIMIZER, "Demo World"},
    "comfy.utils": {*OPTIMIZER, "Learn Taste", "Demo World"},
    "comfy.taesd.taesd": {*OPTIMIZER, "Demo World"},
    "comfy.model_management": {*OPTIMIZER, *SCORING, *REWARDS},
    "comfy.model_patcher": {*OPTIMIZER, *REWARDS},
    "comfy.sample": OPTIMIZER,
    "comfy.samplers": OPTIMIZER,
    "comfy.model_base": OPTIMIZER,
    "comfy.model_sampling": OPTIMIZER,
    "comfy.latent_formats": OPTIMIZER,
    "comfy.cli_args": {*OPTIMIZER, "Save Noise"},
    "comfy_execution.utils": OPTIMIZER,
    "comfy_execution.graph": {*SCORING, "Pick Images"},
    "comfy.conds": {"NoiseTilt Sampler"},
    "comfy.k_diffusion.sampling": {"NoiseTilt Sampler"},
}


class Started(Exception):
    """A model is loaded."""


class PlainNoise:
    """A NOISE that needs nothing of ComfyUI's."""

    seed = 7

    def generate_noise(self, latent):
        return torch.randn(latent["samples"].shape)


@pytest.fixture(scope="module")
def reward_file(host, node_classes):
    path = host / "models" / "reward_models" / "PickScore_v1.safetensors"
    huggingface_clip(path)
    yield path.name
    path.unlink()


@pytest.fixture
def uses(tiny, flux, vaes, reward_file):
    """Every node by its name, given what it takes: a function of the node's class and a reward."""
    guider, image, latent = tiny.guider(flux), torch.rand(1, 32, 32, 3), {"samples": torch.zeros(1, 16, 8, 8)}
    noise, sigmas, file = PlainNoise(), torch.tensor([1.0, 0.0]), reward_file
    settings = dict(prompt="", steps=1, learning_rate=0.0, time_budget=0.0, preview_every=0)
    wires = dict(noise=noise, guider=guider, sigmas=sigmas, latent_image=latent, vae=vaes["taesd"])
    return {
        "Noise Optimizer": lambda node, reward: node.execute(**wires, **settings, reward=reward),
        "NoiseTilt Sampler": lambda node, reward: node.execute(vaes["taesd"], reward, "", 0.01, "constant", 0, 1, 1, 1),
        "Score Images": lambda node, reward: node.execute(image, reward),
        "Rank Results": lambda node, reward: node.execute([image], [reward], [1]),
        "Reward Model Loader": lambda node, reward: node.execute(file, "float32"),
        "Reference Palette": lambda node, reward: node.execute(image),
        "Reference Similarity": lambda node, reward: node.execute(image, f"reward_models/{file}"),
        "Quality Words": lambda node, reward: node.execute(f"reward_models/{file}"),
        "Learn Taste": lambda node, reward: node.execute(f"reward_models/{file}", liked=torch.rand(8, 32, 32, 3)),
        "Demo World": lambda node, reward: node.execute("day"),
        "Save Noise": lambda node, reward: node.validate_inputs("x"),
        "Picture Statistics": lambda node, reward: node.execute("brightness"),
        "Reward Region": lambda node, reward: node.execute(reward, torch.ones(1, 32, 32)),
        "Reward Mix": lambda node, reward: node.execute(reward, reward),
        "Noise Statistics": lambda node, reward: node.execute({"samples": torch.randn(1, 4, 64, 64)}),
        "Noise Variations": lambda node, reward: node.execute(noise, latent),
        "Resize Noise": lambda node, reward: node.execute(noise, {"samples": torch.zeros(1, 16, 16, 8)}, 1, latent),
        "White-Gaussian Projector": lambda node, reward: node.execute(16, True, True),
        "Optimization Method": lambda node, reward: node.execute("ReNO"),
        "Prompt List": lambda node, reward: node.execute("a fox"),
        "Seed List": lambda node, reward: node.execute(1, 2),
        "Pick Images": lambda node, reward: node.execute(image),
        "Before and After": lambda node, reward: node.execute(image, image),
    }


@pytest.mark.parametrize("module", NEEDED_BY)
def test_the_menu_is_whole_and_what_needs_it_says_so(node_classes, uses, monkeypatch, module):
    import comfy.model_management
    import comfy.sd

    def loads(*args, **kwargs):
        raise Started

    for owner, name in ((comfy.model_management, "load_models_gpu"), (comfy.sd, "load_diffusion_model")):
        monkeypatch.setattr(owner, name, loads)
    remove_module(monkeypatch, module)
    with PackLoadedAnew() as pack, torch.inference_mode():
        nodes = collect_node_classes(pack)
        assert sorted(nodes) == sorted(node_classes)
        named = {node.define_schema().display_name: node for node in nodes.values()}
        reward = named["Picture Statistics"].execute("brightness")[0]
        assert uses.keys() | {"Load Noise"} == named.keys()
        for name, use in uses.items():
            node = named[name].PREPARE_CLASS_CLONE(None)
            if name not in NEEDED_BY[module]:
                with suppress(Started):
                    use(node, reward)
                continue
            with pytest.raises(ValueError, match="tested with ComfyUI 0.14.1 and 0.33.0") as error:
                use(node, reward)
            text = str(error.value)
            assert module in text and "Update the pack" in text and text.isprintable()


def test_nodes_import_comfyui_when_they_run():
    """At the top of a file: what registers nodes, and nothing else of ComfyUI's."""
    late = ("differentiable", "refusals")
    allowed = {"comfy_api.latest", "folder_paths", "server"}
    host = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "nodes", "server"}
    found = []
    for file in sorted(file for file in (ROOT / "nodes").rglob("*.py") if file.parent.name not in late):
        for part in ast.parse(file.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
            if isinstance(part, ast.ImportFrom) and not part.level:
                names = [part.module]
            found += [f"{file.name}: {name}" for name in names if name.split(".")[0] in host and name not in allowed]
    # The Noise Optimizer imports this file after its check.
    progress = ("comfy.cli_args", "comfy.model_management", "comfy.utils", "comfy_execution.utils")
    assert found == [f"run_progress.py: {name}" for name in progress]
