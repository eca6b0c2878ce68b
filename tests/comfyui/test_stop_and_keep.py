"""Live events and Stop and keep through the API: no page, and where said no client at all."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.error import HTTPError

import pytest

from .demo_graph import demo_graph, node

MANY = 5000


def graph(seed, steps, batch=1, **optimizer):
    made = demo_graph(steps)
    made["seed"]["inputs"]["noise_seed"] = seed
    made["latent"]["inputs"]["batch_size"] = batch
    made["optimizer"]["inputs"].update(optimizer)
    made["report"] = node("PreviewAny", source=["optimizer", 2])
    return made


def queue_without_client(server, prompt, **extra):
    return server.post("/prompt", {"prompt": prompt, **extra})["prompt_id"]


def wait_for_step(server, step, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        running = [ascent for ascent in server.get("/gper/ascents") if ascent["state"] == "running"]
        if running and running[0]["step"] >= step:
            return running[0]
        time.sleep(0.05)
    raise TimeoutError("no ascent came that far")


def report_of(entry):
    return entry["outputs"]["report"]["text"][0]


@pytest.fixture(scope="module")
def stopped(server):
    """A long run without a client, stopped after some steps: its prompt, history entry and answer to the stop."""
    prompt = graph(1, MANY)
    prompt_id = queue_without_client(server, prompt)
    seen = wait_for_step(server, 3)
    answer = server.post("/gper/stop", {})
    return prompt, server.wait(prompt_id), answer, seen


def test_stop_ends_the_run_and_the_workflow_finishes(server, stopped):
    _, entry, answer, seen = stopped
    assert answer["stopping"] == ["optimizer"] and "optimizer" in answer["message"]
    assert "Stopped: by hand" in report_of(entry)
    rewards = [row[0] for row in entry["outputs"]["optimizer"]["reward_history"]]
    assert seen["step"] < len(rewards) < seen["step"] + 40
    assert f"{max(rewards):.4f} at best" in report_of(entry)
    assert len(server.images(entry, "picture")) == 1


def test_the_history_stays_to_be_asked_for(server, stopped):
    (ascent,) = server.get("/gper/ascents")
    rewards = stopped[1]["outputs"]["optimizer"]["reward_history"]
    assert ascent["state"] == "done" and "by hand" in ascent["ended"]
    assert ascent["history"] == rewards and ascent["curves"] == ["demo taste"]
    assert ascent["best"] == max(row[0] for row in rewards)
    assert f"{ascent['seconds_per_step']:.2f} s per step" in report_of(stopped[1])
    for picture in ("start", "best"):
        assert server.fetch(f"/gper/ascents/{ascent['run']}/{picture}.jpg")[:2] == b"\xff\xd8"
    for address in (f"/gper/ascents/{ascent['run']}/other.jpg", "/gper/ascents/none/best.jpg"):
        with pytest.raises(HTTPError, match="404"):
            server.fetch(address)


def test_queued_again_unchanged_the_kept_noise_is_used(server, stopped):
    prompt, entry, _, _ = stopped
    again = server.run({**prompt, "other": node("PreviewAny", source=["optimizer", 2])})
    assert again["outputs"]["other"]["text"] == [report_of(entry)]


def test_a_stop_does_not_reach_the_next_run(server, stopped):
    entry = server.run(graph(2, 3))
    assert "all 3 steps done" in report_of(entry)


def test_stop_with_nothing_running_says_so_and_harms_nothing(server, stopped):
    assert server.post("/gper/stop", {}) == {"stopping": [], "message": "No run is in progress."}
    answer = server.post("/gper/stop", {"node_id": "99"})
    assert answer == {"stopping": [], "message": "Node 99 has no run in progress."}
    assert "all 3 steps done" in report_of(server.run(graph(3, 3)))


def test_a_stop_for_another_node_is_not_for_this_one(server):
    prompt_id = queue_without_client(server, graph(4, MANY))
    seen = wait_for_step(server, 1)
    assert server.post("/gper/stop", {"node_id": "other"})["stopping"] == []
    wait_for_step(server, seen["step"] + 2)
    assert server.post("/gper/stop", {"node_id": "optimizer"})["stopping"] == ["optimizer"]
    assert "Stopped: by hand" in report_of(server.wait(prompt_id))


def post_raw(server, path, body=b"", **headers):
    """The status and text of the answer to a POST of these very bytes."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "body, content_type",
    [
        (b"[]", "application/json"),
        (b'"optimizer"', "application/json"),
        (b'{"node_id": ["1"]}', "application/json"),
        (b'{"node_id": null}', "application/json"),
        (b'{"node_id": true}', "application/json"),
        (b'{"node": "12"}', "application/json"),
        (b'{"node_id": "12", "all": true}', "application/json"),
        (b'{"node_id": "\xff"}', "application/json"),
        (b"[" * 200_000, "application/json"),
        (b"[" * 3_000, "application/json"),
        (b'{"node_id": ' + b"1" * 5_000 + b"}", "application/json"),
        (b'{"node_id": "12"}', "application/json; charset=no-such"),
        (b'{"node_id": "12"}', "application/json; charset=hex"),
        (b'{"node_id": "' + b"1" * 1_000_000 + b'"}', "application/json"),
    ],
    ids=[
        "list", "string", "id list", "null", "bool", "wrong key", "more keys", "not utf-8", "too deep", "deep",
        "many digits", "no charset", "no text charset", "long",
    ],
)  # fmt: skip
def test_a_stop_that_cannot_be_read_is_refused(server, body, content_type):
    status, text = post_raw(server, "/gper/stop", body, Content_Type=content_type)
    assert status == 400 and "node_id" in text


def test_a_stop_that_is_refused_stops_nothing(server):
    prompt_id = queue_without_client(server, graph(8, MANY))
    seen = wait_for_step(server, 1)
    assert post_raw(server, "/gper/stop", b'{"node": "optimizer"}')[0] == 400
    wait_for_step(server, seen["step"] + 2)
    wide = '{"node_id": "optimizer"}'.encode("utf-16")
    assert post_raw(server, "/gper/stop", wide, Content_Type="application/json; charset=utf-16")[0] == 200
    server.wait(prompt_id)


@pytest.mark.parametrize("origin", [None, "null", "http://elsewhere.example", "http://127.0.0.1:1"])
@pytest.mark.parametrize("site", [None, "cross-site", "same-origin"])
def test_other_pages_may_stop_as_little_as_they_may_interrupt(server, origin, site):
    """Who may ask is ComfyUI's to say: an unknown origin is treated as for its own routes."""
    headers = {"Origin": origin, "Sec_Fetch_Site": site}
    headers = {name: value for name, value in headers.items() if value}
    own, interrupt = (post_raw(server, path, b"", **headers)[0] for path in ("/gper/stop", "/interrupt"))
    assert own == interrupt
    if not headers:
        assert own == 200
    if origin and origin.startswith("http"):
        assert own == 403


def test_many_requests_at_once_are_answered_while_a_run_goes_on(server):
    prompt_id = queue_without_client(server, graph(9, MANY))
    seen = wait_for_step(server, 1)
    picture = f"/gper/ascents/{seen['run']}/best.jpg"

    def ask(i):
        if i % 4 == 0:
            return server.post("/gper/stop", {"node_id": f"other {i}"})["stopping"] == []
        return bool(server.fetch(picture) if i % 4 == 1 else server.get("/gper/ascents"))

    with ThreadPoolExecutor(20) as requests:
        assert all(requests.map(ask, range(200)))
    wait_for_step(server, seen["step"] + 2)
    assert server.post("/gper/stop", {})["stopping"] == ["optimizer"]
    assert "Stopped: by hand" in report_of(server.wait(prompt_id))


def test_an_event_a_step_of_a_few_hundred_bytes(server):
    """With five curves and many decimals, as a page's client gets them."""
    prompt = graph(5, 6, batch=2)
    before = ["world", 3]
    for index, statistic in enumerate(("brightness", "contrast", "colourfulness", "sharpness")):
        prompt[f"part {index}"] = node("GPER_PictureStatistics", statistic=statistic, goal="more", target=0.5)
        prompt[f"mix {index}"] = node(
            "GPER_RewardMix", mix=before, reward=[f"part {index}", 0], weight=index % 2, mode="equal pull",
            stop_if_falls_by=0.0, for_steps=5,
        )  # fmt: skip
        before = [f"mix {index}", 0]
    prompt["optimizer"]["inputs"].update(reward=before, preview_every=1)
    events = [
        event["data"] for event in server.follow(prompt) if isinstance(event, dict) and event["type"] == "gper.ascent"
    ]
    assert [event["step"] for event in events] == [-1, 0, 1, 2, 3, 4, 5, 6, 6]
    assert [event["state"] for event in events] == ["running"] * 8 + ["done"]
    assert [len(event["values"]) for event in events] == [0] + [6] * 8
    assert max(len(json.dumps(event)) for event in events) < 1000
    (ascent,) = server.get("/gper/ascents")
    assert ascent["watched"] == [False, False, True, False, True, False]
    assert ascent["history"] == [event["values"] for event in events[1:-1]]
    assert 2 <= events[-1]["picture_count"] <= 3 + sum(ascent["seconds_per_step"] for _ in events)


@pytest.mark.parametrize("method, expected", [("none", False), ("latent2rgb", True)])
def test_comfyuis_own_preview_comes_where_it_is_switched_on(server, method, expected):
    prompt = graph(6, 3 + expected, preview_every=1)
    running, previews = None, 0
    for event in server.follow(prompt, extra_data={"preview_method": method}):
        if isinstance(event, bytes):
            previews += running == "optimizer" and int.from_bytes(event[:4], "big") in (1, 4)
        elif event["type"] == "executing":
            running = event["data"]["node"]
    assert (previews > 0) == expected


def test_a_watched_reward_still_ends_the_run_in_its_own_words(server):
    prompt = graph(7, MANY)
    for goal in ("less", "more"):
        prompt[goal] = node("GPER_PictureStatistics", statistic="brightness", goal=goal, target=0.5)
    prompt["mix"] = node(
        "GPER_RewardMix", mix=["less", 0], reward=["more", 0], weight=0.0, mode="equal pull",
        stop_if_falls_by=1e-4, for_steps=1,
    )  # fmt: skip
    prompt["optimizer"]["inputs"].update(reward=["mix", 0])
    assert "which is watched" in report_of(server.run(prompt))
    (ascent,) = server.get("/gper/ascents")
    assert "which is watched" in ascent["ended"]


def test_a_sampler_kept_from_an_earlier_prompt_is_seen_in_the_workflow_that_runs(server):
    """Such as after Save As, which gives the workflow another id: the NoiseTilt Sampler's own node runs only once."""
    made = demo_graph()
    del made["optimizer"]
    made["world"]["inputs"]["sampling"] = "many steps"
    made["schedule"]["inputs"]["steps"] = 3
    settings = dict(strength=0.01, schedule="constant", start_percent=0.0, end_percent=0.4, every_nth=1, eta=1.0)
    settings |= dict(prompt="", memory="keep", gradient="decoder only", whitening="both", without_gradient="stop")
    made["euler"] = node("GPER_NoiseTiltSampler", vae=["world", 1], reward=["world", 3], **settings)
    made["sampler"]["inputs"]["noise"] = ["seed", 0]
    for workflow, seed in (("first", 1), ("saved as", 2)):
        made["seed"]["inputs"]["noise_seed"] = seed
        server.wait(server.queue(made, {"id": workflow}))
        (run,) = server.get("/gper/ascents")
        assert (run["node"], run["workflow"], run["state"], run["step"]) == ("euler", workflow, "done", 1)
