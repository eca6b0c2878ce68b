"""Fixtures for tests against the ComfyUI that COMFYUI_PATH names; without one these tests are skipped.

Import comfy and the pack inside a test or fixture that asks for `host` or `pack`, never at a module's top.
"""

import os
import re
from pathlib import Path

import pytest

from tools.comfyui_in_process import import_comfyui
from tools.comfyui_installs import version_text
from tools.pack import load_pack

from .in_process import collect_node_classes

NEWER = (0, 33)


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("comfyui")
            if "frontend" in item.fixturenames:
                item.add_marker("browser")


@pytest.fixture(scope="session")
def comfyui():
    """The folder of the ComfyUI under test."""
    path = os.environ.get("COMFYUI_PATH")
    if not path:
        pytest.skip("COMFYUI_PATH names no ComfyUI")
    if not Path(path, "main.py").is_file():
        pytest.fail(
            f"COMFYUI_PATH is {path!r}, which is no ComfyUI folder: it holds no main.py. Name exactly one, "
            "two cannot be imported by one process; `python run.py test` starts one process for each."
        )
    return Path(path)


@pytest.fixture(scope="session")
def newer_host(comfyui):
    """For tests in which nothing depends on the host's version: they run in the newest alone."""
    if tuple(map(int, re.findall(r"\d+", version_text(comfyui))[:2])) < NEWER:
        pytest.skip("nothing in it depends on the host: runs in newer ones alone")


@pytest.fixture(scope="session")
def host(comfyui, tmp_path_factory):
    """Make comfy importable in this process; return its base directory (models, input, output)."""
    base = tmp_path_factory.mktemp("comfyui-base")
    import_comfyui(comfyui, base)
    return base


@pytest.fixture(scope="session")
def pack(host):
    """The pack, loaded as the host loads it: from here on `import gper_pack.nodes` and the like work."""
    return load_pack()


@pytest.fixture(scope="session")
def tiny(pack):
    """Small random models, in ComfyUI and in diffusers."""
    from . import tiny_models

    return tiny_models


@pytest.fixture(scope="module")
def flux(tiny, tmp_path_factory):
    """A small FLUX.1 as ComfyUI loads it."""
    return tiny.flux(tmp_path_factory.mktemp("flux")).stock


@pytest.fixture(scope="module")
def vaes(tiny, tmp_path_factory):
    """A TAESD and a KL VAE for it, as ComfyUI loads them."""
    folder = tmp_path_factory.mktemp("vae")
    return {"taesd": tiny.taesd(folder).stock, "kl": tiny.kl(folder).stock}


@pytest.fixture(scope="module")
def wires(tiny, flux, vaes):
    """What is connected to the Noise Optimizer in a working graph."""
    import torch
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode

    return dict(
        noise=Noise_RandomNoise(7),
        guider=tiny.guider(flux),
        sigmas=torch.tensor([1.0, 0.0]),
        latent_image={"samples": torch.zeros(2, 16, 8, 8)},
        vae=vaes["taesd"],
        reward=PictureStatisticsNode.execute("brightness")[0],
    )


@pytest.fixture(scope="module")
def optimize(pack, wires):
    """Runs the Noise Optimizer on `wires`, as ComfyUI runs it, for two steps; both with changes."""
    import torch
    from gper_pack.nodes.noise_optimizer import NoiseOptimizer

    settings = dict(prompt="", steps=2, learning_rate=0.02, time_budget=0.0, preview_every=0)

    def run(**changes):
        with torch.inference_mode():
            node = NoiseOptimizer.PREPARE_CLASS_CLONE(None)
            return node.execute(**{**wires, **settings, **changes})

    return run


@pytest.fixture(scope="session")
def node_classes(pack):
    """The pack's node classes by node id."""
    return collect_node_classes(pack)


@pytest.fixture(scope="session")
def server(comfyui):
    """A running ComfyUI server with the pack installed: a `tools.comfyui_server.ComfyServer`.

    COMFYUI_FRONTEND_PATH may name the static folder of another frontend than the installed one.
    """
    from tools.comfyui_browser import QUIET_FRONTEND
    from tools.comfyui_server import ComfyServer

    own_frontend = os.environ.get("COMFYUI_FRONTEND_PATH")
    arguments = ("--front-end-root", own_frontend) if own_frontend else ()
    with ComfyServer(comfyui, arguments, QUIET_FRONTEND) as running:
        yield running


# Per module: while Playwright runs, no other event loop can run in this thread.
@pytest.fixture(scope="module")
def frontend(server):
    """The server's page in a headless Chromium: a `tools.comfyui_browser.Frontend`."""
    from tools.comfyui_browser import find_chromium, open_frontend

    if find_chromium() is None:
        pytest.skip("no Chromium was found")
    with open_frontend(server.url) as page:
        yield page
