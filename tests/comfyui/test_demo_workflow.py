"""The demo workflow through ComfyUI's HTTP API, as a user's page would queue it."""

import json
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).parents[2] / "workflows"
STEPS = 8


@pytest.fixture(scope="module")
def prompt():
    prompt = json.loads((WORKFLOWS / "api" / "demo.json").read_text(encoding="utf-8"))
    key_of(prompt, "GPER_NoiseOptimizer", steps=STEPS, preview_every=2)
    key_of(prompt, "EmptySD3LatentImage", width=64, height=64, batch_size=2)
    return prompt


def key_of(prompt, class_type, **inputs):
    key = next(key for key, node in prompt.items() if node["class_type"] == class_type)
    prompt[key]["inputs"].update(inputs)
    return key


def changed(prompt, class_type, **inputs):
    copy = json.loads(json.dumps(prompt))
    key_of(copy, class_type, **inputs)
    return copy


@pytest.fixture(scope="module")
def finished(server, prompt):
    """The history entry of a finished run, queued with the saved workflow as the page does."""
    workflow = json.loads((WORKFLOWS / "demo.json").read_text(encoding="utf-8"))
    return server.wait(server.queue(prompt, workflow), seconds=400)


def test_the_reward_rose(finished, prompt):
    history = finished["outputs"][key_of(prompt, "GPER_NoiseOptimizer")]["reward_history"]
    assert len(history) == STEPS + 1 and len(history[0]) == 2
    for sample in range(2):
        assert max(row[sample] for row in history) > history[0][sample] + 0.5
    report = finished["outputs"][key_of(prompt, "PreviewAny")]["text"][0]
    assert f"all {STEPS} steps done" in report


def test_the_saved_picture_carries_the_workflow(server, finished):
    pictures = server.images(finished)
    assert len(pictures) == 4
    for picture in pictures:
        assert picture.size == (64, 64)
        saved = json.loads(picture.info["workflow"])
        assert "GPER_NoiseOptimizer" in {node["type"] for node in saved["nodes"]}
        assert json.loads(picture.info["prompt"])


def test_the_pictures_changed(server, finished, prompt):
    start, best = (server.images(finished, key) for key, node in prompt.items() if node["class_type"] == "SaveImage")
    assert all(a.tobytes() != b.tobytes() for a, b in zip(start, best, strict=True))


def test_unchanged_inputs_do_not_recompute(server, finished, prompt):
    optimizer = key_of(prompt, "GPER_NoiseOptimizer")
    cached = [
        event["data"]["nodes"]
        for event in server.follow(prompt)
        if isinstance(event, dict) and event["type"] == "execution_cached"
    ]
    assert optimizer in cached[0]


def test_progress_arrives(server, finished, prompt):
    optimizer = key_of(prompt, "GPER_NoiseOptimizer")
    values = [
        event["data"]["value"]
        for event in server.follow(changed(prompt, "RandomNoise", noise_seed=11), seconds=400)
        if isinstance(event, dict) and event["type"] == "progress" and event["data"]["node"] == optimizer
    ]
    assert values[-1] == STEPS and values == sorted(values)


def test_cancel_stops_within_a_step_and_the_next_run_is_unharmed(server, finished, prompt):
    long = changed(prompt, "GPER_NoiseOptimizer", steps=300)
    optimizer = key_of(long, "GPER_NoiseOptimizer")
    interrupted_at = None
    for event in server.follow(changed(long, "RandomNoise", noise_seed=12), seconds=400):
        progress = isinstance(event, dict) and event["type"] == "progress" and event["data"]["node"] == optimizer
        if progress and event["data"]["value"] >= 2 and interrupted_at is None:  # not every step is announced
            interrupted_at = event["data"]["value"]
            server.interrupt()
    (ascent,) = server.get("/gper/ascents")
    assert ascent["state"] == "failed" and interrupted_at <= ascent["step"] <= interrupted_at + 3
    again = server.run(changed(prompt, "KSamplerSelect", sampler_name="euler"), seconds=400)
    start = [key for key, node in prompt.items() if node["class_type"] == "SaveImage"][0]
    before = server.images(finished, start)
    assert [p.tobytes() for p in server.images(again, start)] == [p.tobytes() for p in before]


@pytest.mark.parametrize(
    "node, inputs, message",
    [
        ("BasicScheduler", dict(denoise=0.0), "there is no step to optimize through"),
        ("BasicScheduler", dict(steps=20), "sigmas has 20 steps"),
    ],
)
def test_an_error_names_the_input(server, prompt, node, inputs, message):
    from tools.comfyui_server import PromptFailed

    with pytest.raises(PromptFailed, match=message):
        server.run(changed(prompt, node, **inputs), seconds=400)
