"""How much of the spread of the answers the predictions explain."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import TextMetric
from coterie.metrics.prediction import TextPrediction
from coterie.metrics.text.number_parsing import find_nearest, parse_numbers


@dataclass(frozen=True, kw_only=True)
class R2(TextMetric):
    """The coefficient of determination: 1 is perfect, 0 as good as the mean answer, or below.

    A prediction without a number counts as 0; of several answers, the nearest counts. Undefined
    (NaN) where all answers are alike.

    Attributes:
        log: compare log(1 + x), for amounts that spread over decades; less than 0 counts as 0.
        center: subtracted from answers before they are squared and summed. The score does not
            depend on it but by rounding: squares of numbers far from 0 would swallow a small
            spread. `fit` sets it to the mean of a split's answers.
    """

    unit: ClassVar[str] = ""
    limits: ClassVar[tuple[float, float]] = (-math.inf, 1.0)

    log: bool = False
    center: float = field(default=0.0, init=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.log, bool):
            raise ValueError(f"R2(log={self.log!r}): give true or false")

    def fit(self, answers: Iterable[tuple[str, ...]]) -> "R2":
        # The exact sum, so that rows in another order have the same center.
        values = [self.scale(number) for items in answers for number in parse_numbers(items)]
        metric = replace(self)
        object.__setattr__(metric, "center", math.fsum(values) / max(len(values), 1))
        return metric

    def check(self, answers: tuple[str, ...]) -> None:
        if self.log and min(parse_numbers(answers)) < 0:
            raise ValueError(f"{answers!r} has a number below 0, of which R2(log=True) has no log")
        parse_numbers(answers)

    def statistics(
        self, prediction: TextPrediction, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        """1, the answer's distance from the center, its square, and the squared error."""
        predicted, answer = map(self.scale, find_nearest(prediction.text, answers))
        distance = answer - self.center
        return np.array([1.0, distance, distance**2, (answer - predicted) ** 2])

    def scale(self, number: float) -> float:
        """The number, or with `log` its logarithm."""
        return math.log1p(max(number, 0)) if self.log else number

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        count, distances, squares, errors = total.tolist()
        spread = squares - distances**2 / count if count else 0.0
        if spread <= 1e-12 * squares:  # what is left of equal answers after rounding
            return float("nan")
        return 1 - errors / spread
