"""`NumericMatch`: the share of predictions whose number is close to an answer."""

import math
from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.number_parsing import parse_number, parse_numbers


@dataclass(frozen=True, kw_only=True)
class NumericMatch(TextMetric):
    """Percent of predictions whose first number is within a relative tolerance of an answer.

    With 0.05, for numbers, the relaxed accuracy of ChartQA (arXiv:2203.10244) as pix2struct and
    lmms-eval compute it: a number before a percent sign is divided by 100, so that "95%" is right
    for "0.95" and wrong for "95". An answer of 0 must be matched exactly. `tolerance` is at least
    0: 0.05 accepts 95 to 105 for 100.
    """

    name = "numeric"
    tolerance: int | float = 0.05

    def __post_init__(self) -> None:
        if not (isinstance(self.tolerance, int | float) and 0 <= self.tolerance < math.inf):
            raise ValueError(
                f"NumericMatch(tolerance={self.tolerance!r}): give a number, at least 0"
            )

    def check(self, answers: tuple[str, ...]) -> None:
        parse_numbers(answers)

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        predicted = parse_number(prediction.text, divides_percent=True)
        is_near = predicted is not None and any(
            abs(predicted - answer) <= self.tolerance * abs(answer) * (1 + 1e-12)  # 95 for 100
            for answer in parse_numbers(answers, divides_percent=True)
        )
        return np.array([float(is_near), 1.0])
