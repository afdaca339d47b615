"""Where a task's expert usage comes from."""

import json
from pathlib import Path

import coterie
from coterie.extract.expert_usage import read_usage_from_run
from coterie.train import Run
from tests.extract.dense import report


def test_what_an_evaluation_has_noted(run: Run, tmp_path: Path) -> None:
    layer = {"experts": ["copies 1"], "mean_weight": {"first": [0.5]}, "chosen": {"first": [0.25]}}
    (tmp_path / "routing.json").write_text(json.dumps({"layers": {"mlp": layer}}))
    evaluated = Run(tmp_path, run.config)
    assert read_usage_from_run(evaluated, "first") == {"mlp": {"chosen": [0.25]}}
    assert read_usage_from_run(evaluated, "second") == {} == read_usage_from_run(run, "depth")


def test_an_evaluation_s_use_comes_first(run: Run, tmp_path: Path) -> None:
    coterie.evaluate(run, split="test")
    found = report(coterie.extract(run.folder, task="depth", to=tmp_path / "small"))
    (run.folder / "routing.json").unlink()
    assert found["use"] == {"seen": "routing.json", "split": "test"}
    found = report(coterie.extract(run, task="depth", to=tmp_path / "asked", use="validation"))
    assert found["use"] == {"seen": "measured", "split": "validation"}
