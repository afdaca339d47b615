"""A metric over the scores of choices is one class, and nothing else has to know of it."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Float64

from coterie.metrics import ChoiceMetric, ChoicePrediction, TextPrediction
from coterie.metrics.base import compute_percent
from coterie.metrics.text.exact_match import ExactMatch
from coterie.tasks.predictions import Prediction


@dataclass(frozen=True, kw_only=True)
class ChoiceAccuracy(ChoiceMetric):
    """Percent of samples whose highest score belongs to an accepted answer."""

    def statistics(
        self, prediction: ChoicePrediction, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        return np.array([float(prediction.best in answers), 1.0])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return compute_percent(*total)


@dataclass(frozen=True, kw_only=True)
class MeanLogProbability(ChoiceMetric):
    """Mean log-probability of the accepted answers, with scores as logits over the choices."""

    higher_is_better = True
    unit = "nats"
    limits = (-math.inf, 0.0)

    def statistics(
        self, prediction: ChoicePrediction, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        total = np.logaddexp.reduce(list(prediction.scores.values()))
        right = np.logaddexp.reduce([prediction.scores[answer] for answer in answers])
        return np.array([right - total, 1.0])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return float(total[0] / total[1]) if total[1] else math.nan


def rows(*predictions: object) -> list[Prediction]:
    """Rows of predictions for the answer "yes", as a file holds them."""
    return [
        {"source": f"a:{i}", "question": "?", "prediction": each, "answers": ["yes"]}
        for i, each in enumerate(predictions)
    ]


def test_scores_of_choices_are_scored_as_they_are_saved() -> None:
    made = [
        ChoicePrediction(scores={"yes": -0.5, "no": -1.0}),
        ChoicePrediction(scores={"yes": math.log(0.25), "no": math.log(0.75)}),
    ]
    saved = rows(*(json.loads(json.dumps(each.dump())) for each in made))
    # The first is right, the second is wrong.
    metric, statistics = ChoiceAccuracy().compute_statistics(saved)
    assert statistics.tolist() == [[1, 1], [0, 1]]
    assert metric.score(statistics.sum(0)) == 50
    # log(e^-0.5 / (e^-0.5 + e^-1)) = -log(1 + e^-0.5), and log(1/4)
    _, statistics = MeanLogProbability().compute_statistics(saved)
    assert statistics[:, 0].tolist() == pytest.approx(
        [-math.log(1 + math.exp(-0.5)), math.log(0.25)]
    )


def test_a_metric_of_another_kind_of_prediction_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match=r"prediction 'yes' has no scores: the metric needs"):
        ChoiceAccuracy().compute_statistics(rows("yes"))
    with pytest.raises(ValueError, match=r"prediction \{'yes': 1.0\} is not a text"):
        ExactMatch().compute_statistics(rows({"yes": 1.0}))


def test_names_follow_from_the_class() -> None:
    assert str(ChoiceAccuracy()) == "choice_accuracy"
    assert ChoiceAccuracy.prediction_type is ChoicePrediction
    assert ExactMatch.prediction_type is TextPrediction
