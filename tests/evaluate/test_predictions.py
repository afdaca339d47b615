"""Predictions as files: rows, statistics that follow the metric, and damage."""

import json
from pathlib import Path

import pytest

from coterie.evaluate.predictions import Predictions, get_predictions_file, get_predictions_folder
from coterie.metrics.text.contains import ContainsAnswer
from coterie.metrics.text.exact_match import ExactMatch
from tests.evaluate.runs import sample


def made() -> Predictions:
    return Predictions.from_answers(
        [sample("a", 0), sample("a", 1)], ["yes", "oh yes"], ExactMatch()
    )


def test_a_row_says_what_was_asked_answered_and_wanted(tmp_path: Path) -> None:
    file = made().save(tmp_path / "a.jsonl")
    first = json.loads(file.read_text().splitlines()[0])
    assert first["source"] == "rows.jsonl:1" and first["question"] == "is 0 a number?"
    assert first["prediction"] == "yes" and first["answers"] == ["yes"]
    assert first["statistics"] == [1, 1]
    assert Predictions.read(file) == made()


def test_another_metric_needs_no_other_answers() -> None:
    # "oh yes" is not "yes", but has it in it.
    assert ExactMatch().score(made().compute_statistics(ExactMatch()).sum(0)) == 50
    assert (
        ContainsAnswer().score(
            made().with_metric(ContainsAnswer()).compute_statistics(ContainsAnswer()).sum(0)
        )
        == 100
    )


def test_a_line_separator_in_an_answer_does_not_break_the_line(tmp_path: Path) -> None:
    odd = Predictions.from_answers([sample("a", 0)], ["y\u2028e\u0085s"], ExactMatch())
    assert Predictions.read(odd.save(tmp_path / "a.jsonl")) == odd


def test_samples_are_the_same_in_another_folder() -> None:
    here, there = made(), made()
    there = Predictions(tuple(row | {"source": f"/data/{row['source']}"} for row in there.rows))
    assert (
        here.list_sample_keys() == there.list_sample_keys()
        and len(set(here.list_sample_keys())) == 2
    )


def test_folders_and_files() -> None:
    assert get_predictions_folder("run", "test") == Path("run/predictions/test")
    assert get_predictions_folder("run", "test", "blind") == Path("run/predictions-blind/test")
    assert get_predictions_file(Path("f"), "a") == Path("f/a.jsonl")
    with pytest.raises(ValueError, match=r"task '\.\./a' cannot name a file"):
        get_predictions_file(Path("f"), "../a")


def test_missing_and_damaged_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.jsonl is not there: run `coterie evaluate`"):
        Predictions.read(tmp_path / "a.jsonl")
    file = made().save(tmp_path / "a.jsonl")
    file.write_text(file.read_text() + '{"source"')
    with pytest.raises(ValueError, match=r"a\.jsonl:3 is damaged"):
        Predictions.read(file)
