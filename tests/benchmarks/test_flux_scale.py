"""The benchmark at FLUX's scale: its arithmetic, and the loop that ours is compared with."""

import json

import pytest
import torch

from benchmarks.flux_scale import geometry as flux
from benchmarks.flux_scale.measuring import matmul_peak, peak_memory
from benchmarks.flux_scale.peer import Peer
from benchmarks.flux_scale.report import Result, page, rows_of, table, write
from benchmarks.shared import DOCS
from tools.random_models import autoencoder, flux_transformer

CPU, TINY = torch.device("cpu"), flux.GEOMETRIES["tiny"]


def result(name="", side=64, tokens=10, passes=1, seconds=(), peak=0):
    return Result(name, side, 1, tokens, passes, list(seconds), peak)


def test_ratios(tmp_path):
    results = [
        result("plain", seconds=(1.0, 9.0, 2.0)),
        result("recompute", passes=3, seconds=(6.0,), peak=30),
        result("diffusers, checkpointing", passes=3, seconds=(8.0,), peak=40),
        result("plain", side=128, seconds=(4.0,)),
        result("keep", side=128, passes=2),
    ]
    weights = {"parameters": 10**9, "token_weights": 100}
    write(rows_of(results, 100, 1e4), weights, 1e4, TINY, torch.float32, CPU, tmp_path / "numbers.json")
    rows = json.loads((tmp_path / "numbers.json").read_text())["rows"]
    assert rows[1]["times_plain"] == 3.0 and rows[1]["seconds_of_peer"] == 0.75 == rows[1]["peak_of_peer"]
    assert rows[1]["share_of_matmul_peak"] == pytest.approx(2 * 100 * 10 * 3 / 6.0 / 1e4)
    page = (tmp_path / "numbers.md").read_text()
    assert "out of memory" in page and "1.00 billion" in page and "one thread" in page
    assert len(table(rows).splitlines()) == 7


def test_the_page_is_that_of_its_numbers():
    facts = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    rows = facts.pop("rows")
    assert page(facts, rows) == (DOCS / "performance.md").read_text(encoding="utf-8")


def test_weights_that_meet_every_token():
    """Against a hand count: attention 4 h², MLP 8 h²; per stream in a double block, once in a single block."""
    model = flux_transformer(TINY, CPU, torch.float32)
    h = 128 * TINY.heads
    matrices = (2 * TINY.double_blocks + TINY.single_blocks) * 12 * h * h
    assert matrices < flux.token_weights(model) < 1.02 * matrices


def test_the_peer_climbs_and_its_checkpointing_saves_memory():
    inputs = flux.inputs(TINY, 64, 2)
    peer = Peer(
        flux_transformer(TINY, CPU, torch.float32), autoencoder(), flux.reward(TINY, CPU, torch.float32), inputs
    )
    pictures = peer.pictures(inputs.noise)
    assert pictures.shape == (2, 3, 64, 64) and pictures.min() >= 0 and pictures.max() <= 1
    step = 0.2 * peer.gradient() / peer.gradient().norm()
    with torch.no_grad():
        ends = [peer.reward(peer.pictures(inputs.noise + sign * step)).sum() for sign in (1, -1)]
    assert ends[0] > ends[1]
    kept, checkpointed = result(), result()
    peer.measure(False, 1, kept)
    peer.measure(True, 1, checkpointed)
    assert 0 < checkpointed.peak_bytes < kept.peak_bytes and len(kept.seconds) == 1


def test_measuring():
    counted = result()
    with peak_memory(CPU, counted):
        torch.ones(1000).exp()
    assert counted.peak_bytes == 8000
    assert matmul_peak(CPU, torch.float32, 64) > 0
