"""`ChoiceAccuracy`: the share of samples whose most likely choice is an answer."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import ChoiceMetric, ChoicePrediction, Statistics


@dataclass(frozen=True, kw_only=True)
class ChoiceAccuracy(ChoiceMetric):
    """Percent of samples whose highest score belongs to an accepted answer.

    Scores are those of `coterie.tasks.text.choices.rank_choices`; the first choice in a tie.
    """

    def statistics(self, prediction: ChoicePrediction, answers: tuple[str, ...]) -> Statistics:
        return np.array([float(prediction.best in answers), 1.0])
