"""Ranking, tables and contact sheet of a batch."""

import csv
import io
import json

import pytest
from PIL import Image

from batch.__main__ import main
from batch.ranking import ranked
from batch.report import GrowingPage, write_report

from .made_up_batch import made_up_batch

SCORES = [[3.0, 9.0, 5.0], [7.0, 2.0, 4.0]]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def test_the_best_of_each_prompt(folder):
    found = ranked(*made_up_batch(folder, SCORES))
    assert [(picture.row, picture.seed, picture.rank) for picture in found.pictures] == [
        (0, 1, 1), (0, 2, 2), (0, 0, 3), (1, 0, 1), (1, 2, 2), (1, 1, 3),
    ]  # fmt: skip
    assert [picture.seed for picture in found.kept(1)] == [1, 0]
    assert [(picture.row, picture.seed) for picture in found.top(3, 2)] == [(0, 1), (1, 0), (0, 2)]
    assert found.rewards == ["mix", "demo taste"] and (found.done, found.total) == (6, 6)


def test_what_has_no_score_comes_last(folder):
    results, settings = made_up_batch(folder, [[3.0, 9.0]])
    record = next(results.records([settings["jobs"][1][0]]))
    record["pictures"][0]["scores"]["mix"] = None
    (folder / "jobs" / record["key"] / "result.json").write_text(json.dumps(record))
    assert [picture.seed for picture in ranked(results, settings).pictures] == [0, 1]


def test_without_any_reward_the_order_stays(folder):
    results, settings = made_up_batch(folder, SCORES)
    for record in list(results.records([key for key, *_ in settings["jobs"]])):
        record["rewards"], record["pictures"][0]["scores"] = [], {}
        (folder / "jobs" / record["key"] / "result.json").write_text(json.dumps(record))
    found = write_report(results, settings)
    assert [picture.seed for picture in found.pictures] == [0, 1, 2, 0, 1, 2] and found.reward is None


def test_tables(folder):
    write_report(*made_up_batch(folder, SCORES, missing=[(1, 1)]))
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    rows = list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))
    assert len(lines) == len(rows) == 5
    assert rows[0]["prompt"] == lines[0]["prompt"] == "prompt 0, painted"
    assert float(rows[0]["mix"]) == lines[0]["scores"]["mix"] == 9.0
    assert float(rows[0]["mix at the start"]) == 1.0 and "demo taste at the start" not in rows[0]
    assert rows[0]["8.prompt"] == "prompt 0, painted" and rows[0]["seed"] == "1"
    assert (folder / rows[0]["picture"]).is_file() and (folder / lines[0]["noise"]).is_file()


def test_the_contact_sheet_shows_the_best_first(folder):
    results, settings = made_up_batch(folder, [[1.0], [2.0], [3.0], [4.0]])
    write_report(results, {**settings, "top": 2})
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert sheet.size == (2 * 336 + 16, 380 + 16)
        assert [sheet.getpixel((16 + 160 + x, 16 + 160))[0] for x in (0, 336)] == [3, 2]  # red counts the prompts


def test_the_report_can_be_made_again(folder, capsys):
    made_up_batch(folder, SCORES, missing=[(1, 1)])
    assert main(["--report", str(folder), "--keep", "2", "--top", "3"]) == 0
    assert "5 of 6 jobs" in capsys.readouterr().out
    assert "4 pictures, 5 of 6 jobs" in (folder / "index.html").read_text()
    (folder / "batch.json").write_text("{")
    assert main(["--report", str(folder)]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_the_page_grows_but_not_all_the_time(folder, monkeypatch):
    results, settings = made_up_batch(folder, SCORES, missing=[(1, 1)])
    now = [100.0]
    monkeypatch.setattr("batch.report.time.monotonic", lambda: now[0])
    grow = GrowingPage(results, settings)
    page = folder / "index.html"
    grow(5)
    assert not page.exists(), "just begun"
    now[0] += 2
    grow(5)
    assert "still running" in page.read_text()
    page.unlink()
    now[0] += 60
    grow(5)
    assert not page.exists(), "nothing new"
    grow(6)
    assert page.exists()
    page.unlink()
    now[0] += 5
    grow(7)
    assert not page.exists(), "too soon"
