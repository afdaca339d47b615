"""`RelaxedAccuracy`: the accuracy of ChartQA, with a tolerance for numbers."""

import math
from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import compose


@dataclass(frozen=True, kw_only=True)
class RelaxedAccuracy(TextMetric):
    """Percent of predictions that are an answer: numbers within `tolerance`, other texts exactly.

    ChartQA (arXiv:2203.10244 section 5.1), as pix2struct and lmms-eval compute it: the whole text
    must be a number, with "%" as a hundredth, in prediction and answer; else, and for an answer of
    0, the texts must be equal up to case. `NumericMatch` reads a number within a sentence.

    Departs: texts are stripped, and numbers that are not finite are texts.
    """

    tolerance: int | float = 0.05

    def __post_init__(self) -> None:
        if not (isinstance(self.tolerance, int | float) and 0 <= self.tolerance < math.inf):
            raise ValueError(
                f"RelaxedAccuracy(tolerance={self.tolerance!r}): give a number, at least 0"
            )

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        is_right = any(self.matches(prediction.text.strip(), each.strip()) for each in answers)
        return np.array([float(is_right), 1.0])

    def matches(self, predicted: str, answer: str) -> bool:
        """Whether a prediction is an answer."""
        number, wanted = read_number(predicted), read_number(answer)
        if number is None or not wanted:
            return compose(predicted).lower() == compose(answer).lower()
        return abs(number - wanted) / abs(wanted) <= self.tolerance


def read_number(text: str) -> float | None:
    """Read a text that is a number, or one in percent; None for another."""
    try:
        number = float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
