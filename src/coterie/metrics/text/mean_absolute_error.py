"""`MeanAbsoluteError`: mean absolute error of numbers."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import TextMetric
from coterie.metrics.prediction import TextPrediction
from coterie.metrics.text.number_parsing import find_nearest, parse_numbers


@dataclass(frozen=True, kw_only=True)
class MeanAbsoluteError(TextMetric):
    """Mean of |prediction - answer|, in the unit of the answers.

    A prediction without a number counts as 0; of several answers, the nearest is used.
    """

    higher_is_better: ClassVar[bool] = False
    limits: ClassVar[tuple[float, float]] = (0.0, math.inf)
    unit: ClassVar[str] = ""
    alias: ClassVar[str] = "mae"

    def check(self, answers: tuple[str, ...]) -> None:
        parse_numbers(answers)

    def statistics(
        self, prediction: TextPrediction, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        predicted, answer = find_nearest(prediction.text, answers)
        return np.array([abs(predicted - answer), 1.0])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        error, count = total.tolist()
        return error / count if count else float("nan")
