"""A name of ComfyUI that is missing: the menu keeps every node, what needs the name says so before a model is loaded,
and everything else goes on."""

import ast
import importlib
import sys
from contextlib import contextmanager
from types import ModuleType

import pytest
import torch

from tools.pack import ROOT

from .in_process import collect_node_classes
from .removed_names import PackLoadedAnew, another, remove, remove_module


def load_contract():
    """Without a host: the names are the parameters of the tests."""
    package = sys.modules["contract_alone"] = ModuleType("contract_alone")
    package.__path__ = [str(ROOT / "nodes/differentiable")]
    return importlib.import_module("contract_alone.host_contract"), importlib.import_module("contract_alone.host_name")


CONTRACT, NAMES = load_contract()
# Modules that only gradients need
MODULES = (
    "comfy.ops",
    "comfy.quant_ops",
    "comfy.taesd.taesd",
    "comfy.sampler_helpers",
    "comfy.ldm.modules.attention",
    "comfy.ldm.modules.diffusionmodules.model",
    "comfy_aimdo.model_vbar",
    "comfy_api.torch_helpers.torch_compile",
)


class Started(Exception):
    """A search has begun, or a model is loaded."""


def start(*args, **kwargs):
    raise Started


@pytest.fixture(scope="module")
def wires(wires):
    settings = dict(prompt="", steps=2, learning_rate=0.0, time_budget=0.0, preview_every=0)
    return {**wires, **settings, "latent_image": {"samples": torch.zeros(1, 16, 8, 8)}}


@pytest.fixture
def restarted(wires, node_classes, monkeypatch):
    """Loads the pack anew into ComfyUI as it is then; a function that runs the Noise Optimizer by a method."""
    import comfy.model_management

    menu = sorted(node_classes)
    monkeypatch.setattr(comfy.model_management, "load_models_gpu", start)

    @contextmanager
    def load():
        with PackLoadedAnew() as pack, torch.inference_mode():
            nodes = collect_node_classes(pack)
            assert sorted(nodes) == menu

            def optimize(method):
                from gper_pack.nodes.inputs.methods import METHODS

                reward = nodes["GPER_PictureStatistics"].execute("brightness")[0]
                node = nodes["GPER_NoiseOptimizer"].PREPARE_CLASS_CLONE(None)
                return node.execute(**{**wires, "reward": reward}, method=METHODS[method])

            yield nodes, optimize

    return load


def without(monkeypatch, name, *holders):
    if not NAMES.is_needed(name):
        pytest.skip("this ComfyUI does without")
    remove(monkeypatch, name.path, name.noted)
    for holder in holders:  # as that version would have made them
        if name.noted in vars(holder):
            monkeypatch.setattr(holder, another(name.noted), vars(holder)[name.noted], raising=False)


def refused(optimize, method, name):
    with pytest.raises(ValueError, match="tested with ComfyUI 0.14.1 and 0.33.0") as error:
        optimize(method)
    assert name in str(error.value) and "Update the pack" in str(error.value) and "\n" not in str(error.value)
    return str(error.value)


def goes_on(nodes, optimize):
    """Searches begin, for which no name of the gradients' is imported; nodes that need no model do their work."""
    import gper_pack.nodes.differentiable.inference_run as sampler

    stock, sampler.search_noise = sampler.search_noise, start
    for method in ("best of seeds", "local search"):
        with pytest.raises(Started):
            optimize(method)
    sampler.search_noise = stock
    assert not any("gradient_run" in module for module in sys.modules if module.startswith("gper_pack"))
    for node_id, arguments in (
        ("GPER_NoiseStatistics", ({"samples": torch.randn(1, 4, 64, 64)},)),
        ("GPER_WhiteGaussianProjector", (16, True, True)),
        ("GPER_OptimizationMethod", ("ReNO",)),
    ):
        assert nodes[node_id].execute(*arguments).args


def test_a_comfyui_that_lacks_nothing(restarted):
    with restarted() as (_, optimize):
        for method in ("GPER", "best of seeds"):
            with pytest.raises(Started):
                optimize(method)


@pytest.mark.parametrize("name", CONTRACT.GRADIENTS, ids=str)
def test_without_a_name_of_the_gradients(restarted, wires, monkeypatch, name):
    without(monkeypatch, name, wires["guider"], wires["guider"].model_patcher)
    with restarted() as (nodes, optimize):
        text = refused(optimize, "GPER", name.noted or name.path)
        assert name.purpose in text and "best of seeds" in text
        goes_on(nodes, optimize)


@pytest.mark.parametrize("name", CONTRACT.PICTURES, ids=str)
def test_without_a_name_that_every_run_needs(restarted, monkeypatch, name):
    without(monkeypatch, name)
    with restarted() as (_, optimize):
        for method in ("GPER", "best of seeds"):
            assert name.purpose in refused(optimize, method, name.noted or name.path)


@pytest.mark.parametrize("name", [*CONTRACT.TILT, CONTRACT.PICTURES[0], CONTRACT.GRADIENTS[0]], ids=str)
def test_without_a_name_that_a_tilted_sampling_needs(restarted, wires, monkeypatch, name):
    without(monkeypatch, name)
    with restarted() as (nodes, optimize):
        reward = nodes["GPER_PictureStatistics"].execute("brightness")[0]
        node = nodes["GPER_NoiseTiltSampler"].PREPARE_CLASS_CLONE(None)

        def tilt(_):
            return node.execute(wires["vae"], reward, "", 0.01, "constant", 0, 1, 1, 1)

        assert name.purpose in refused(tilt, "", name.noted or name.path)
        if name in CONTRACT.TILT:
            with pytest.raises(Started):
                optimize("GPER")


@pytest.mark.parametrize("module", MODULES)
def test_without_a_module_of_the_gradients(restarted, monkeypatch, module):
    remove_module(monkeypatch, module)
    with restarted() as (nodes, optimize):
        refused(optimize, "GPER", module)
        goes_on(nodes, optimize)


@pytest.mark.parametrize("network", CONTRACT.BLOCKS)
def test_without_the_blocks_of_a_network(restarted, monkeypatch, network):
    """Only the models that have them are refused; here that is FLUX."""
    for name in CONTRACT.BLOCKS[network]:
        if NAMES.is_there(name):
            with monkeypatch.context() as patch:
                remove(patch, name.path)
                with restarted() as (nodes, optimize):
                    if "flux" not in name.path:
                        with pytest.raises(Started):
                            optimize("GPER")
                    elif network == "comfy.ldm.flux.model":
                        refused(optimize, "GPER", name.path)
                        goes_on(nodes, optimize)


@pytest.mark.parametrize("name", CONTRACT.OPTIONAL, ids=str)
def test_without_an_optional_name(restarted, monkeypatch, name):
    if NAMES.is_there(name):
        remove(monkeypatch, name.path)
    with restarted() as (_, optimize), pytest.raises(Started):
        optimize("GPER")


def test_the_classes_of_the_presets_are_in_the_contract(pack):
    from gper_pack.nodes.differentiable.model_presets import PRESETS

    listed = {name.path.rpartition(".")[2] for names in CONTRACT.BLOCKS.values() for name in names}
    bases = {name.path.rpartition(".")[2] for name in (*CONTRACT.OPTIONAL, *CONTRACT.PICTURES)} | {"BaseModel"}
    for preset in PRESETS:
        assert {preset.transformer, *preset.blocks} <= listed and preset.base_model in bases


def test_every_name_in_use_is_in_the_contract():
    names = (*CONTRACT.PICTURES, *CONTRACT.GRADIENTS, *CONTRACT.TILT, *CONTRACT.OPTIONAL)
    known = [name.path for name in names]
    missing = []
    folders = (ROOT / "nodes" / "differentiable", ROOT / "nodes" / "refusals")
    for file in sorted(file for folder in folders for file in folder.glob("*.py")):
        for used in _host_names(ast.parse(file.read_text())):
            if not any(f"{path}.".startswith(f"{used}.") for path in known):
                missing.append(f"{file.name}: {used}")
    assert missing == []


def _host_names(tree):
    for part in ast.walk(tree):
        if isinstance(part, ast.ImportFrom) and not part.level and part.module.startswith("comfy"):
            yield from (f"{part.module}.{name.name}" for name in part.names)
        elif isinstance(part, ast.Attribute):
            chain = ast.unparse(part)
            if chain.startswith("comfy") and chain.replace(".", "").isidentifier() and chain.count("."):
                yield chain
