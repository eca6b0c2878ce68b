"""The comparison of methods on a model in ComfyUI, from the runs to the document, at tiny size."""

import json


def test_protocol_and_document(newer_host, pack, tmp_path, monkeypatch):
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode

    from benchmarks.comparison.comfyui_subject import ComfyUISubject
    from benchmarks.comparison.contenders import STRENGTH, contenders
    from benchmarks.comparison.findings import Findings
    from benchmarks.comparison.protocol import Comparison, Plan
    from benchmarks.comparison.report import write_report

    from . import tiny_models

    monkeypatch.setattr("benchmarks.comparison.findings.RESAMPLES", 20)
    prompts = ("a red fox", "a barn owl")
    subject = ComfyUISubject(
        tiny_models.flux(tmp_path).stock,
        tiny_models.taesd(tmp_path).stock,
        {prompt: tiny_models.conditioning(seed) for seed, prompt in enumerate(prompts)},
        PictureStatisticsNode.execute("brightness")[0],
        {"contrast": PictureStatisticsNode.execute("contrast")[0]},
        size=64,
        batch=1,
    )
    plan = Plan(
        2, 2, 2, step_sizes=2, strengths=(0.2,), long_steps=2, long_noises=1, batch=1, efforts=(), timing_rounds=1
    )
    methods = contenders(["none", "gper", "best-of-n"], ["plain"]) | contenders(["gper"], ["strength"])
    comparison = Comparison(subject, subject, methods, plan, tmp_path / "results")
    out = tmp_path / "report.md"
    write_report([Findings(comparison)], out, command="a test")

    text, (figures,) = out.read_text(), json.loads(out.with_suffix(".json").read_text())
    assert "| best of n |" in text and "contrast" in text
    # Nothing is known of true pictures here, so what rests on them is left out.
    assert "Sound pictures" not in text and figures["sound"] is None
    assert [goal["letter"] for goal in figures["goals"]] == []  # the efforts were not run
    assert comparison.final("gper").prompts == prompts
    climbed = comparison.trials("none")[STRENGTH, 0.2].values["target"]
    assert (climbed[-1] >= climbed[0]).all()
