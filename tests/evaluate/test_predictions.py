"""Predictions as files: rows with statistics, what tells samples apart, and damage."""

import json
from pathlib import Path

import numpy as np

from coterie.evaluate.predictions import Predictions, read_scored_samples
from coterie.metrics.text.contains import ContainsAnswer
from coterie.metrics.text.exact_match import ExactMatch
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks, make_rows
from tests.evaluate.runs import sample


def made(*answers: str) -> Predictions:
    samples = [sample("a", number) for number in range(len(answers))]
    return Predictions(tuple(make_rows(samples, answers))).with_statistics(
        np.ones((len(answers), 2))
    )


def tasks(metric: ExactMatch | ContainsAnswer) -> TextTasks:
    return TextTasks(tasks=(TextTask(name="a", rows={"test": "rows.jsonl"}, metric=metric),))


def test_written_and_read_again(tmp_path: Path) -> None:
    # Some readers take U+2028 for the end of a line.
    predictions = made("yes", "y\u2028e\u0085s")
    file = predictions.save(tmp_path / "a.jsonl")
    first = json.loads(file.read_text().splitlines()[0])
    assert first["prediction"] == "yes" and first["statistics"] == [1.0, 1.0]
    assert Predictions.read(file) == predictions
    dense = Predictions(({"source": "a/1", "statistics": [0.1, 1e-17]},))
    assert Predictions.read(dense.save(tmp_path / "depth.jsonl")) == dense


def test_statistics_follow_the_metric(tmp_path: Path) -> None:
    file = made("yes", "oh yes").save(tmp_path / "a.jsonl")
    # "oh yes" is not "yes", but contains it.
    for metric, score in ((ExactMatch(), 50), (ContainsAnswer(), 100)):
        found = read_scored_samples(tasks(metric), "a", file)
        assert found.metric.score(found.statistics.sum(0)) == score


def test_samples_are_the_same_in_another_folder(tmp_path: Path) -> None:
    here = made("yes", "no")
    there = Predictions(tuple(row | {"source": f"/data/{row['source']}"} for row in here.rows))
    keys = []
    for name, each in (("here", here), ("there", there)):
        file = each.save(tmp_path / name / "a.jsonl")
        keys.append(read_scored_samples(tasks(ExactMatch()), "a", file).samples)
    assert keys[0] == keys[1] and len(set(keys[0])) == 2
