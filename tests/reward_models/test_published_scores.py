import json
import sys

import pytest
from torchvision.transforms.functional import to_pil_image

from benchmarks import published_scores
from reward_models import load_reward
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import pictures


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the benchmark on two folders; returns its exit code and rows."""

    def call(*options):
        monkeypatch.setattr(
            sys,
            "argv",
            [
                "published_scores",
                "--models",
                str(tmp_path / "models"),
                "--json",
                str(tmp_path / "rows"),
                *options,
            ],
        )
        return published_scores.main(), json.loads((tmp_path / "rows").read_text())

    (tmp_path / "models").mkdir()
    return call


def write_pictures(folder):
    folder.mkdir()
    for index, picture in enumerate(pictures(4, 48, 48), start=1):
        to_pil_image(picture).save(folder / f"{index}.webp", lossless=True)


def test_absent_files_are_no_failure(run, capsys):
    code, rows = run()
    assert code == 0
    assert all(row["result"].startswith("not checked: no file of") for row in rows)
    assert "0 equal, 0 DIFFERENT, 9 not checked" in capsys.readouterr().out


def test_absent_pictures_are_no_failure(run, tmp_path):
    small.image_reward(tmp_path / "models" / "ImageReward.pt")
    code, rows = run()
    assert code == 0
    assert {row["result"] for row in rows if row["kind"] == "ImageReward"} == {
        "not checked: pictures are absent (--images)"
    }


def test_other_weights_are_a_failure(run, tmp_path):
    small.image_reward(tmp_path / "models" / "ImageReward.pt")
    write_pictures(tmp_path / "pictures")
    code, rows = run("--images", str(tmp_path / "pictures"))
    assert code == 1
    checked = [row for row in rows if row["kind"] == "ImageReward"]
    assert all(row["result"].startswith("DIFFERENT") for row in checked)
    scores = load_reward(tmp_path / "models" / "ImageReward.pt")(pictures(4, 48, 48), published_scores.PROMPT)
    assert checked[0]["here"] == pytest.approx(scores.tolist(), abs=0.05)


def test_equal_scores_pass(run, tmp_path, monkeypatch):
    small.huggingface_clip(tmp_path / "models" / "PickScore.safetensors")
    write_pictures(tmp_path / "pictures")
    reward = load_reward(tmp_path / "models" / "PickScore.safetensors")
    cosines = reward(pictures(4, 48, 48), published_scores.PROMPT) / reward.backbone.logit_scale.exp()
    entry = published_scores.Published(
        "PickScore", tuple(cosines.tolist()), 0.005, "here", convention=published_scores.unscaled
    )
    monkeypatch.setattr(published_scores, "PUBLISHED", (entry,))
    code, rows = run("--images", str(tmp_path / "pictures"))
    assert code == 0
    assert rows[-1]["result"].startswith("equal")
