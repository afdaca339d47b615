"""`MeanAbsoluteError`: mean absolute error of numbers."""

import math
from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.number_parsing import find_nearest, parse_numbers


@dataclass(frozen=True, kw_only=True)
class MeanAbsoluteError(TextMetric):
    """Mean of |prediction - answer|, in the unit of the answers.

    A prediction without a number counts as 0, a range such as "3-5" as its middle; of several
    answers, the nearest is used.
    """

    higher_is_better = False
    limits = (0.0, math.inf)
    unit = ""
    aliases = ("mae",)

    def check(self, answers: tuple[str, ...]) -> None:
        parse_numbers(answers)

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        predicted, answer = find_nearest(prediction.text, answers)
        return np.array([abs(predicted - answer), 1.0])
