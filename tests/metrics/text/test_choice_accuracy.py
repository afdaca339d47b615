"""Accuracy of ranked choices."""

import numpy as np

from coterie.metrics import ChoicePrediction, parse_metric
from coterie.metrics.text.choice_accuracy import ChoiceAccuracy


def test_by_hand() -> None:
    first = ChoicePrediction(scores={"A": -1.0, "B": -0.5})
    tie = ChoicePrediction(scores={"A": -1.0, "B": -1.0})
    rows = [ChoiceAccuracy().statistics(each, ("B", "b")) for each in (first, tie)]
    assert ChoiceAccuracy().score(np.sum(rows, axis=0)) == 50
    assert parse_metric("choice_accuracy") == ChoiceAccuracy()
