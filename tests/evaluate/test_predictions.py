"""Predictions as files: rows with statistics, what tells samples apart, damage and freshness."""

import json
from pathlib import Path

import numpy as np
import pytest

from coterie.evaluate.predictions import (
    compute_adapter_digest,
    compute_weights_digest,
    load_if_fresh,
    read_predictions,
    store,
    write_predictions,
)
from coterie.metrics.text.contains import ContainsAnswer
from coterie.metrics.text.exact_match import ExactMatch
from coterie.tasks.predictions import Prediction
from coterie.tasks.text.prediction_rows import make_rows
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks
from tests.evaluate.runs import sample


def test_other_weights_are_another_base(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(bytes(3 << 20))
    digest = compute_weights_digest(str(tmp_path))
    assert digest == compute_weights_digest(str(tmp_path)) != ""
    (tmp_path / "config.json").write_text("{}")
    assert compute_weights_digest(str(tmp_path)) == digest
    # 3 MiB are read in 256 blocks of 4 KiB, each at a multiple of 12 KiB.
    changed = bytearray(3 << 20)
    changed[12 << 10] = 1
    file.write_bytes(changed)
    assert compute_weights_digest(str(tmp_path)) != digest
    assert compute_weights_digest("organisation/model") == ""


def made(*answers: str) -> list[Prediction]:
    return make_rows([sample("a", number) for number in range(len(answers))], answers)


def tasks(metric: ExactMatch | ContainsAnswer) -> TextTasks:
    return TextTasks(tasks=(TextTask(name="a", rows={"test": "rows.jsonl"}, metric=metric),))


def test_written_and_read_again(tmp_path: Path) -> None:
    # Some readers take U+2028 for the end of a line.
    rows, file = made("yes", "y\u2028e\u0085s"), tmp_path / "a.jsonl"
    write_predictions(file, rows, np.ones((2, 2)))
    first = json.loads(file.read_text().splitlines()[0])
    assert first["prediction"] == "yes" and first["statistics"] == [1.0, 1.0]
    assert read_predictions(file) == [row | {"statistics": [1.0, 1.0]} for row in rows]
    write_predictions(file, [{"source": "a/1"}], np.array([[0.1, 1e-17]]))
    assert read_predictions(file) == [{"source": "a/1", "statistics": [0.1, 1e-17]}]


def test_damage_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    for text, message in (
        ("", "has rows of no statistics"),
        ('{"source": "a"}', r"a\.jsonl:1 is damaged \(KeyError\('statistics'\)\)"),
        ('{"source": "a", "statistics": [1]}\n{"source": "b", "statistics": []}', r"\[0, 1\]"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_predictions(file)
    with pytest.raises(ValueError, match=r"b\.jsonl is not there: run `coterie evaluate`"):
        read_predictions(tmp_path / "b.jsonl")


def test_statistics_follow_the_metric(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    write_predictions(file, made("yes", "oh yes"), np.ones((2, 2)))
    # "oh yes" is not "yes", but contains it.
    for metric, score in ((ExactMatch(), 50), (ContainsAnswer(), 100)):
        fitted, statistics = tasks(metric).score_predictions("a", read_predictions(file))
        assert fitted.score(statistics.sum(0)) == score


def test_samples_are_the_same_in_another_folder(tmp_path: Path) -> None:
    here = made("yes", "no")
    there = [row | {"source": f"/data/{row['source']}"} for row in here]
    keys = []
    for name, each in (("here", here), ("there", there)):
        file = tmp_path / name / "a.jsonl"
        write_predictions(file, each, np.ones((2, 2)))
        keys.append([tasks(ExactMatch()).make_sample_key(row) for row in read_predictions(file)])
    assert keys[0] == keys[1] and len(set(keys[0])) == 2


def test_an_adapter_is_known_by_its_bytes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no trained adapter in adapter/: train it first"):
        compute_adapter_digest(tmp_path / "adapter")
    file = tmp_path / "adapter_model.safetensors"
    file.write_bytes(b"1")
    (tmp_path / "README.md").write_text("says nothing")
    first = compute_adapter_digest(tmp_path)
    file.write_bytes(b"2")
    assert compute_adapter_digest(tmp_path) != first


def test_facts_are_kept_with_what_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert load_if_fresh(path, {"adapter": "x"}) is None
    made = store(path, {"adapter": "x"}, seconds=1.5)
    assert load_if_fresh(path, {"adapter": "x"}) == made and made["seconds"] == 1.5
    assert load_if_fresh(path, {"adapter": "y"}) is None
