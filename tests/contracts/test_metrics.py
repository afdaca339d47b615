"""What every metric must do, for every kind that the folder holds."""

import math

import numpy as np
import pytest

import coterie.metrics
from coterie import metrics, serialization
from coterie.metrics.base import Metric, TextMetric
from coterie.metrics.recall_at_k import RankPrediction
from tests.metrics.cases import text_statistics

KINDS = serialization.find_kinds(coterie.metrics, TextMetric)
ALL_KINDS = serialization.find_kinds(coterie.metrics, Metric)
ANSWERS = [("3",), ("14", "15"), ("9",), ("2.5",)]
PREDICTIONS = ["3", "about 15", "", "7 \u00e9\u0000\n?"]


def made(kind: type[TextMetric]) -> TextMetric:
    return kind().fit(ANSWERS)


def test_there_are_kinds() -> None:
    assert len(KINDS) >= 12


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
class TestMetrics:
    def test_statistics_are_of_one_length_finite_and_add_up(self, kind: type[TextMetric]) -> None:
        metric = made(kind)
        found = [text_statistics(metric, p, a) for p, a in zip(PREDICTIONS, ANSWERS, strict=True)]
        assert len({x.shape for x in found}) == 1 and found[0].ndim == 1
        assert all(x.dtype == np.float64 and np.isfinite(x).all() for x in found)
        whole = metric.score(np.sum(found, axis=0))
        halves = np.sum(found[:2], axis=0) + np.sum(found[2:], axis=0)
        assert isinstance(whole, float) and metric.score(halves) == pytest.approx(whole)
        low, high = metric.limits
        assert low <= whole <= high

    def test_a_letter_with_its_mark_is_one_letter(self, kind: type[TextMetric]) -> None:
        metric = kind().fit([("3 caf\u00e9",), ("4 th\u00e9",)])
        one, two = "3 caf\u00e9", "3 cafe\u0301"
        found = [text_statistics(metric, *each).tolist()
                 for each in ((one, (one,)), (one, (two,)), (two, (one,)))]  # fmt: skip
        assert found[1:] == [found[0]] * 2

    def test_a_sample_counted_twice_is_as_if_there_were_two(self, kind: type[TextMetric]) -> None:
        metric = made(kind)
        found = [text_statistics(metric, p, a) for p, a in zip(PREDICTIONS, ANSWERS, strict=True)]
        once, twice = np.sum(found, axis=0), np.sum(found + found, axis=0)
        assert metric.score(twice) == pytest.approx(metric.score(once))

    def test_nothing_has_no_score(self, kind: type[TextMetric]) -> None:
        metric = made(kind)
        assert math.isnan(metric.score(np.zeros_like(text_statistics(metric, "3", ("3",)))))

    def test_right_is_better_than_wrong(self, kind: type[TextMetric]) -> None:
        metric, words = kind(), [("4 red cats and 1 dog",), ("17 old owls in a tree",)]
        metric = metric.fit(words)

        def score(predictions: list[str]) -> float:
            found = [text_statistics(metric, p, a) for p, a in zip(predictions, words, strict=True)]
            return metric.score(np.sum(found, axis=0))

        right, wrong = score([a[0] for a in words]), score(["92 x", ""])
        assert right > wrong if metric.higher_is_better else right < wrong
        if metric.unit == "%":
            assert right == pytest.approx(100.0 if metric.higher_is_better else 0.0)

    def test_is_saved_loaded_and_named(self, kind: type[TextMetric]) -> None:
        for metric in (kind(), made(kind)):
            assert serialization.loads(serialization.dumps(metric)) == metric
            assert metrics.parse_metric(str(metric)) == metric

    def test_goes_by_its_published_name_alias_and_class(self, kind: type[TextMetric]) -> None:
        for name in (kind.get_name(), *kind.aliases, kind.__name__):
            assert metrics.parse_metric(name) == kind()


def test_published_names_of_all_metrics() -> None:
    # These stand in tasks.yaml and scores.json files: a class may be renamed, a name may not.
    assert {kind.get_name() for kind in ALL_KINDS} >= {
        "exact", "contains", "numeric", "token_f1", "macro_f1", "rouge_l", "bleu", "chrf", "r2",
        "mean_absolute_error", "word_error_rate", "character_error_rate", "mean_iou", "max_iou",
        "max_f", "ods_f", "mean_angular_error", "depth_error", "mean_error", "top1",
        "anls", "vqa_accuracy", "cider",
    }  # fmt: skip


def test_names_are_unique_and_each_kind_says_what_it_needs() -> None:
    names = [kind.get_name() for kind in ALL_KINDS]
    assert len(set(names)) == len(names)
    assert {kind.prediction_type for kind in ALL_KINDS} <= {
        metrics.TextPrediction, metrics.ChoicePrediction, metrics.MapPrediction, RankPrediction
    }  # fmt: skip
