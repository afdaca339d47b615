"""Which answers are right: by a metric on one sample, or by their text."""

import math

from coterie.report.correctness import Grader, describe_metric


def test_all_or_nothing() -> None:
    rows = [{"statistics": [1, 1]}, {"statistics": [0, 1]}]
    grader = Grader.from_predictions("exact_match", rows)
    assert [grader.is_right(row) for row in rows] == [True, False]
    assert grader.rule == "right or wrong by exact"
    assert grader.format_mark(rows[1]) == "wrong"
    # No statistics, no score; what has none is never right.
    assert math.isnan(grader.compute_score({})) and not grader.is_right({})


def test_without_a_metric_texts_are_compared() -> None:
    grader = Grader.from_predictions("none such", [])
    assert grader == Grader.from_predictions(None, [])  # of a run that was not scored
    assert grader.is_right({"prediction": " Fig ", "answers": ["fig", "grape"]})
    assert not grader.is_right({"prediction": "figs", "answers": "fig"})
    assert grader.format_mark({"prediction": "x", "answers": ["x"]}) == "right"


def test_metrics_in_words() -> None:
    assert describe_metric("character_error_rate") == "character error rate"
    # A dense metric has no name in tasks.yaml.
    assert describe_metric("mean_iou(classes=3)") == "mean iou (classes 3)"
    assert describe_metric("a, b") == "a, b"
