"""From rows, seeds and --set to jobs with keys."""

import json
from pathlib import Path

import pytest

from batch.overrides import as_type_of, overridden
from batch.request import read_request

DEMO = Path(__file__).parents[2] / "workflows" / "api" / "demo.json"
VERSIONS = {"pack": "1", "comfyui": "2"}


@pytest.fixture
def request_of(tmp_path):
    def read(text, *arguments, name="p.txt", workflow=DEMO):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_request(
            [str(tmp_path / name), "--workflow", str(workflow), "--out", str(tmp_path / "o"), *arguments]
        )

    return read


def test_prompts_times_seeds(request_of):
    jobs = request_of("a\nb\n", "--seeds", "2").jobs(VERSIONS)
    assert [(job.label, job.seed) for job in jobs] == [("a", 7), ("a", 8), ("b", 7), ("b", 8)]
    assert [job.row for job in jobs] == [0, 0, 1, 1]
    assert jobs[1].values == {"8.prompt": "a", "4.noise_seed": 8}
    assert len({job.key for job in jobs}) == 4


def test_the_key_is_that_of_workflow_and_versions(request_of, tmp_path):
    (job,) = request_of("a\n").jobs(VERSIONS)
    assert request_of("b\na\n").jobs(VERSIONS)[1].key == job.key, "whatever else is in the file"
    assert request_of("a\n").jobs({**VERSIONS, "comfyui": "3"})[0].key != job.key
    assert request_of("a\n", "--set", "8.steps=61").jobs(VERSIONS)[0].key != job.key
    changed = json.loads(DEMO.read_text())
    changed["8"]["_meta"]["title"] = "renamed"
    (tmp_path / "w.json").write_text(json.dumps(changed))
    assert request_of("a\n", workflow=tmp_path / "w.json").jobs(VERSIONS)[0].key == job.key


def test_the_same_job_runs_once(request_of):
    assert len(request_of("a\na\n").jobs(VERSIONS)) == 1


def test_columns_set_what_they_name(request_of):
    text = "prompt,8.steps,animal,seed\none,5,fox,3\ntwo,,dog,\n"
    read = request_of(text, "--set", "8.prompt=a photo of {animal}: {prompt} {x}", name="p.csv")
    first, second = read.jobs(VERSIONS)
    assert first.values == {"8.prompt": "a photo of fox: one {x}", "8.steps": 5, "4.noise_seed": 3}
    assert second.values == {"8.prompt": "a photo of dog: two {x}", "4.noise_seed": 7}, "an empty cell sets nothing"


def test_set_by_title_and_with_equals_signs(request_of):
    (job,) = request_of("a\n", "--set", "Optimized.filename_prefix=x=y").jobs(VERSIONS)
    assert job.values["16.filename_prefix"] == "x=y"


def test_jobs_with_the_same_models_follow_one_another(request_of):
    rows = request_of("prompt,2.scene\na,day\nb,night\nc,day\n", name="p.csv").jobs(VERSIONS)
    assert [job.label for job in rows] == ["a", "c", "b"]


def test_the_largest_seed_is_followed_by_zero(request_of):
    jobs = request_of(f"prompt,seed\na,{2**64 - 1}\n", "--seeds", "2", name="p.csv").jobs(VERSIONS)
    assert [job.seed for job in jobs] == [2**64 - 1, 0]


@pytest.mark.parametrize(
    "text, arguments, told",
    [
        ("a", ["--set", "8.prompt"], "write NODE.input=VALUE"),
        ("a", ["--set", "8.nothing=1"], "has no input 'nothing'; it has prompt, steps"),
        ("a", ["--set", "80.prompt=1"], "no node '80'"),
        ("a", ["--set", "8.steps=ten"], "8.steps takes a number, not 'ten'"),
        ("a", ["--set", "8.prompt={prmpt}"], "no column of that name"),
        ("a", ["--set", "8.steps=1", "--set", "8.steps=2"], "8.steps is set twice"),
        ("a", ["--seeds", "0"], "--seeds 0: give 1 or more"),
        ("a", ["--gpus", "none"], "give all or a number"),
        ("a", ["--servers", "http://x", "--workers", "2"], "leave --workers"),
    ],
)
def test_bad_options(request_of, text, arguments, told):
    with pytest.raises(ValueError, match=told):
        request_of(text, *arguments)


@pytest.mark.parametrize(
    "text, told",
    [
        ("prompt,animal\na,fox\n", "nothing takes the column 'animal'"),
        ("prompt,8.steps\na,ten\n", "line 2: 8.steps takes a number"),
    ],
)
def test_bad_columns(request_of, text, told):
    with pytest.raises(ValueError, match=told):
        request_of(text, name="p.csv")


def test_a_row_that_lacks_what_set_needs(request_of):
    text = '{"prompt": "a", "animal": "fox"}\n{"prompt": "b"}\n'
    with pytest.raises(ValueError, match="line 2 has no animal, which 8.prompt needs"):
        request_of(text, "--set", "8.prompt={prompt} {animal}", name="p.jsonl")


def test_bad_workflows(request_of, tmp_path):
    file = tmp_path / "w.json"
    with pytest.raises(ValueError, match="there is no file"):
        request_of("a", workflow=file)
    saves_nothing = {"1": {"class_type": "CLIPTextEncode", "inputs": {"text": ""}}}
    no_prompt = {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a"}}}
    for content, told in [
        ("{", "cannot be read as JSON"),
        ("[]", "no workflow in API format"),
        ("{}", "no workflow in API format"),
        ('{"nodes": [], "links": []}', r"Export \(API\)"),
        (json.dumps(saves_nothing), "saves no picture"),
        (json.dumps(no_prompt), "no input of the workflow takes the prompt"),
    ]:
        file.write_text(content)
        with pytest.raises(ValueError, match=told):
            request_of("a", workflow=file)


def test_seeds_need_an_input(request_of, tmp_path):
    workflow = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": ""}},
        "2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a"}},
    }
    (tmp_path / "w.json").write_text(json.dumps(workflow))
    assert request_of("a", workflow=tmp_path / "w.json").jobs({})[0].seed is None
    with pytest.raises(ValueError, match="takes the seed"):
        request_of("a", "--seeds", "2", workflow=tmp_path / "w.json")


@pytest.mark.parametrize(
    "present, given, expected",
    [
        ("a", 3, "3"),
        (1, "4", 4),
        (1, "0.5", 0.5),
        (1.0, "4", 4.0),
        (True, "False", False),
        (["1", 0], "4", 4),
        (["1", 0], "a fox", "a fox"),
        (["1", 0], "[4]", "[4]"),
    ],
)
def test_values_take_the_type_of_the_input(present, given, expected):
    value = as_type_of(present, given, "x")
    assert value == expected and type(value) is type(expected)


def test_overriding_leaves_the_template_alone():
    template = {"1": {"class_type": "A", "inputs": {"x": 1}}}
    assert overridden(template, {"1.x": 2})["1"]["inputs"]["x"] == 2
    assert template["1"]["inputs"]["x"] == 1
