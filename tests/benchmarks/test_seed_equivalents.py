"""The table of estimated numbers of seeds, on scores whose distribution is known."""

import json

import torch

from benchmarks import seed_equivalents


def test_from_the_command_line_to_the_table(tmp_path, capsys):
    out, scores = tmp_path / "seeds.json", torch.randn(50_000, generator=torch.Generator().manual_seed(0))
    seed_equivalents.main(["--trials", "40", "--json", str(out)], {"a": scores, "b": scores + 1})
    results = json.loads(out.read_text())
    assert len(results) == 2 * len(seed_equivalents.TRUTHS) * len(seed_equivalents.FEW)
    for result in results:
        assert result["low"] <= result["middle"] <= result["high"] and result["covered"] > 0.7
        if result["truth"] < result["seeds"] / 2:
            assert 0.5 < result["middle"] / result["truth"] < 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 * len(seed_equivalents.TRUTHS) + 2 and "50000 true seeds" in lines[-1]
    assert lines[2].startswith("| a | 3 | ") and lines[2].count("%") == len(seed_equivalents.FEW)
