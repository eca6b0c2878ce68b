"""Bad ends of a run and changes between runs on a real server: without effect on what comes after."""

import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tools.comfyui_server import ComfyServer, PromptFailed

from ..demo_graph import demo_graph, node

EXTRA = Path(__file__).parent / "accident_nodes"
LORA = "demo_lora.safetensors"
runs = count(1)

every_stage = pytest.mark.parametrize("stage", ["generator", "decoder", "reward", "backward"])


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    """A server of its own, which has the nodes that make accidents, and a LoRA for the demo world's FLUX."""
    folder = tmp_path_factory.mktemp("accidents")
    for name in ("custom_nodes", "loras"):
        (folder / name).mkdir()
    (folder / "custom_nodes" / EXTRA.name).symlink_to(EXTRA)
    write_lora(folder / "loras" / LORA)
    config = folder / "paths.yaml"
    paths = {"base_path": str(folder), "custom_nodes": "custom_nodes", "loras": "loras"}
    config.write_text(json.dumps({"tests": paths}))
    loaded = ("--whitelist-custom-nodes", ComfyServer.pack_folder, EXTRA.name)
    with ComfyServer(comfyui, ("--extra-model-paths-config", str(config), *loaded)) as running:
        yield running


def write_lora(path):
    """Rank 2, on a layer of which only a slice is patched, and on one that is patched whole; diffusers' names."""
    block, weights = "transformer.single_transformer_blocks.0", {}
    for layer, inputs, outputs in (("attn.to_q", 128, 128), ("proj_out", 640, 128)):
        weights[f"{block}.{layer}.lora_A.weight"] = 0.2 * torch.randn(2, inputs)
        weights[f"{block}.{layer}.lora_B.weight"] = torch.randn(outputs, 2)
    save_file(weights, path)


def graph(kind="none", stage="backward", steps=4):
    prompt = demo_graph(steps)
    wires = {"model": ["world", 0], "vae": ["world", 1], "reward": ["world", 3]}
    prompt["accident"] = node("Test_Accident", **wires, kind=kind, stage=stage, run=next(runs))
    prompt["optimizer"]["inputs"].update(reward=["accident", 0], memory="auto")
    prompt["text"] = node("PreviewAny", source=["optimizer", 2])
    return prompt


def sampling():
    """The same model and seed without an optimizer, and a look at what the run before has left."""
    prompt = demo_graph()
    del prompt["optimizer"]
    prompt["sampler"]["inputs"]["noise"] = ["seed", 0]
    prompt["picture"]["inputs"]["filename_prefix"] = f"plain{next(runs)}"
    wires = {"model": ["world", 0], "vae": ["world", 1], "after": ["decode", 0]}
    prompt["state"] = node("Test_HostState", **wires, run=next(runs))
    prompt["text"] = node("PreviewAny", source=["state", 0])
    return prompt


def another_workflow():
    """A KSampler on the same model, of several steps, two prompts and another size."""
    prompt = demo_graph()
    for name in ("optimizer", "seed", "guider", "schedule", "euler"):
        del prompt[name]
    prompt["latent"]["inputs"].update(width=128, height=128, batch_size=2)
    prompt["nothing"] = node("ConditioningZeroOut", conditioning=["world", 2])
    prompt["sampler"] = node(
        "KSampler",
        model=["world", 0],
        positive=["world", 2],
        negative=["nothing", 0],
        latent_image=["latent", 0],
        seed=3,
        steps=3,
        cfg=3.0,
        sampler_name="dpmpp_2m",
        scheduler="simple",
        denoise=1.0,
    )
    prompt["picture"]["inputs"]["filename_prefix"] = f"other{next(runs)}"
    return prompt


def with_lora(prompt):
    prompt["lora"] = node("LoraLoaderModelOnly", model=["world", 0], lora_name=LORA, strength_model=1.0)
    prompt["guider"]["inputs"]["model"] = ["lora", 0]
    return prompt


def painted(server, entry, name="picture"):
    return [np.asarray(image, dtype=int) for image in server.images(entry, name)]


def pictures(server, prompt):
    """What the prompt paints, on the model that was there before it."""
    entry = server.run(prompt)
    assert "world" in dict(entry["status"]["messages"])["execution_cached"]["nodes"]
    return painted(server, entry)


def same(ones, others):
    return len(ones) == len(others) and all(map(np.array_equal, ones, others))


def text(entry):
    return entry["outputs"]["text"]["text"][0]


def live_bytes(server):
    """While the demo world stays loaded. Counted twice: the first time ComfyUI still has what the last prompt made."""
    for _ in range(2):
        prompt = {"world": demo_graph()["world"], "live": node("Test_LiveTensors", run=next(runs))}
        entry = server.run({**prompt, "text": node("PreviewAny", source=["live", 0])})
    return int(text(entry))


@dataclass
class Before:
    """An undisturbed server: what plain sampling, another workflow and a run paint, and what is there after them."""

    state: dict
    plain: list
    other: list
    optimized: list
    memory: int


@pytest.fixture(scope="module")
def before(server):
    state = json.loads(text(server.run(sampling())))
    assert state["inference_mode"] and not state["in_training"] and state["replaced_methods"] == []
    undisturbed = [pictures(server, prompt) for prompt in (sampling(), another_workflow(), graph())]
    return Before(state, *undisturbed, live_bytes(server))


def still_the_same(server, before):
    entry = server.run(sampling())
    assert same(painted(server, entry), before.plain)
    assert json.loads(text(entry)) == before.state
    assert same(pictures(server, graph()), before.optimized)
    assert live_bytes(server) == pytest.approx(before.memory, rel=0.001)


@pytest.mark.parametrize("stage", ["reward", "backward"])
def test_a_reward_that_fails(server, before, stage):
    with pytest.raises(PromptFailed, match=f"the {stage} is broken"):
        server.run(graph("fails", stage))
    still_the_same(server, before)


@every_stage
def test_out_of_memory_for_good(server, before, stage):
    with pytest.raises(PromptFailed, match=f"no memory left in the {stage}"):
        server.run(graph("out of memory", stage))
    still_the_same(server, before)


@every_stage
def test_out_of_memory_once(server, before, stage):
    """The run goes on, to the same picture."""
    said = server.log().count("Out of memory: going on from the same noise")
    entry = server.run(graph("out of memory once", stage))
    assert same(painted(server, entry), before.optimized)
    assert "all 4 steps done" in text(entry)
    assert server.log().count("Out of memory: going on from the same noise") == said + 1
    still_the_same(server, before)


def test_cancelled(server, before):
    steps = 2000
    reached, asked, ended = 0, False, ""
    for event in server.follow(graph(steps=steps)):
        if isinstance(event, bytes):
            continue
        if event["type"] == "progress" and event["data"]["node"] == "optimizer":
            reached = event["data"]["value"]
            if reached >= 3 and not asked:  # not every step is announced
                server.interrupt()
                asked = True
        ended = event["type"]
    assert ended == "execution_interrupted" and reached < steps / 2
    still_the_same(server, before)


def test_ten_runs_in_a_row(server, before):
    for _ in range(10):
        assert same(pictures(server, graph()), before.optimized)
    still_the_same(server, before)


def test_another_size_and_batch_in_between(server, before):
    def other_size():
        prompt = graph()
        prompt["latent"]["inputs"].update(width=128, height=128, batch_size=2)
        return prompt

    other = pictures(server, other_size())
    assert [picture.shape for picture in other] == [(128, 128, 3)] * 2
    assert same(pictures(server, graph()), before.optimized)
    assert same(pictures(server, other_size()), other)
    still_the_same(server, before)


def test_a_lora_added_between_runs(server, before):
    """It changes the run that has it, as plain sampling, and none after it."""
    plain = pictures(server, with_lora(sampling()))
    prompt = with_lora(graph())
    prompt["own_decode"] = node("VAEDecode", samples=["optimizer", 1], vae=["world", 1])
    prompt["own"] = node("SaveImage", images=["own_decode", 0], filename_prefix="own")
    entry = server.run(prompt)
    (seen,), (sampled,) = painted(server, entry, "own"), painted(server, entry)
    assert np.abs(seen - sampled).max() <= 1, "the optimizer did not see the model that the sampler paints with"
    assert np.abs(sampled - before.optimized[0]).max() > 10 and np.abs(plain[0] - before.plain[0]).max() > 10
    still_the_same(server, before)
    assert same(pictures(server, with_lora(sampling())), plain)
    assert same(pictures(server, graph()), before.optimized)


def test_another_workflow_right_after(server, before):
    pictures(server, graph())
    assert same(pictures(server, another_workflow()), before.other)
    still_the_same(server, before)
