"""Where tokens go, as the files of an evaluation say."""

import json
from pathlib import Path

import pytest
import torch

from coterie.report.sections.routing import Token, list_tasks, read_modalities, read_trace
from coterie.report.systems import ReportSystem, group_systems

EXPERTS = ["rank 2", "rank 4"]


def write_run(folder: Path, trace: object, modalities: object = None) -> ReportSystem:
    (folder / "predictions" / "test").mkdir(parents=True)
    score = {
        "metric": "exact", "score": 1.0, "low": 0.0, "high": 2.0, "samples": 3,
        "higher_is_better": True, "unit": "%", "details": {},
    }  # fmt: skip
    scores = {"split": "test", "tasks": {"ocr": score}, "cost": {}, "control": ""}
    (folder / "scores.json").write_text(json.dumps(scores))
    (folder / "predictions" / "test" / "ocr.routing.json").write_text(json.dumps(trace))
    (folder / "routing.json").write_text(json.dumps({"layers": {}, "modalities": modalities}))
    [system] = group_systems(folder)
    return system


def test_each_token_has_the_expert_that_most_layers_choose(tmp_path: Path) -> None:
    trace = {
        "source": "rows.jsonl:1",
        "tokens": ["What", "<image>"],
        "modalities": ["text", "image"],
        # In the layers a, b and c; the experts of the second token are 2, 2 and 1.
        "layers": {
            "m.a": [[0.9, 0.1], [0.2, 0.8]],
            "m.b": [[1.0, 0.0], [0.0, 0.5]],
            "m.c": [[0.6, 0.4], [0.7, 0.3]],
        },
    }
    system = write_run(tmp_path, trace)
    assert list_tasks(system) == ["ocr"]
    found = read_trace(system, "ocr")
    assert found is not None
    sample, experts = found
    assert experts == 2 and list(sample.layers) == ["a", "b", "c"]
    assert sample.tokens[0] == Token("What", "text", 0, 1.0)
    assert sample.tokens[1] == Token("", "image", 1, pytest.approx(2 / 3))
    assert sample.picture.startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "trace",
    [
        [],
        {"tokens": ["a"], "modalities": ["text"], "layers": {}},
        {"tokens": ["a"], "modalities": [], "layers": {"m": [[1.0]]}},
        {"tokens": ["a"], "modalities": ["text"], "layers": {"m": "text", "n": [1.0]}},
        {"tokens": 3, "modalities": ["text"], "layers": {"m": [[1.0]]}},
    ],
)
def test_files_that_hold_no_trace(tmp_path: Path, trace: object) -> None:
    assert read_trace(write_run(tmp_path, trace), "ocr") is None


def test_experts_by_modality_and_what_a_modality_says_of_the_expert(tmp_path: Path) -> None:
    layer = {"experts": EXPERTS, "mean_weight": {"text": [1.0, 0.0], "image": [0.0, 1.0]}}
    other = {"experts": EXPERTS, "mean_weight": {"text": [0.5, 0.5], "image": [0.5, 0.5]}}
    found = read_modalities(write_run(tmp_path, {}, {"a": layer, "b": other}))
    assert found is not None
    assert found["names"] == ["text", "image"] and found["experts"] == ["1. rank 2", "2. rank 4"]
    # Means over two layers of 1 and .5, and of 0 and .5; ln 2 in one layer, 0 in the other.
    wanted = torch.tensor([[0.75, 0.25], [0.25, 0.75]], dtype=torch.float64)
    assert torch.equal(found["mean"], wanted)
    assert found["information"] == pytest.approx(0.6931471805599453 / 2, abs=1e-6)


def test_one_modality_says_nothing(tmp_path: Path) -> None:
    layer = {"experts": EXPERTS, "mean_weight": {"text": [1.0, 0.0]}}
    assert read_modalities(write_run(tmp_path, {}, {"a": layer})) is None
