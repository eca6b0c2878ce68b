"""The progress line, on a terminal and in a log."""

import io

import pytest

from batch.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


def record(score, pictures=2):
    made = [{"scores": {} if score is None else {"mix": score - i, "b": 99}} for i in range(pictures)]
    return {"pictures": made, "label": "a fox", "seed": 7}


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("batch.progress.time.monotonic", lambda: now[0])
    return now


def test_what_it_tells(clock):
    progress = Progress(10, 4, io.StringIO())
    assert progress.line(0) == "4 of 10 done, 0 failed, 0 running"
    clock[0] = 50.0
    progress.began()
    clock[0] += 60
    progress.add(record(3.5))
    progress.add(record(None))
    progress.failed = 1
    assert progress.line(2) == (
        "6 of 10 done, 1 failed, 2 running, 240 pictures an hour, 2 min left, best 3.5 ('a fox', seed 7)"
    )


def test_on_a_terminal_the_line_is_written_over(clock):
    out = Terminal()
    progress = Progress(3, 0, out)
    progress.show(0)
    progress.show(0)
    progress.say("worker 1 is ready")
    progress.show(1)
    progress.end(0)
    assert out.getvalue().replace("\r\x1b[K", "<") == (
        "<0 of 3 done, 0 failed, 0 running<worker 1 is ready\n<0 of 3 done, 0 failed, 1 running"
        "<0 of 3 done, 0 failed, 0 running\n"
    )


def test_in_a_log_there_is_a_line_now_and_then(clock):
    out = io.StringIO()
    progress = Progress(3, 0, out)
    for running in (0, 1, 2):
        progress.show(running)
        clock[0] += 20
    progress.end(0)
    assert [line.split(", ")[-1] for line in out.getvalue().splitlines()] == ["0 running", "2 running", "0 running"]


@pytest.mark.parametrize(
    "seconds, text", [(0, "0 s"), (89, "89 s"), (600, "10 min"), (11100, "3 h 05 min"), (187200, "2 d 4 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
