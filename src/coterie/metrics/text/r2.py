"""`R2`: the coefficient of determination."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.number_parsing import find_nearest, parse_numbers


@dataclass(frozen=True, kw_only=True)
class R2(TextMetric):
    """The coefficient of determination: 1 is perfect, 0 is as good as the mean answer.

    A prediction without a number counts as 0, a range such as "3-5" as its middle; of several
    answers, the nearest is used. NaN if all answers are equal.

    Attributes:
        log: compare log(1 + x), for amounts over several decades; negative numbers count as 0.
        center: subtracted from answers, against rounding; `fit` sets it to a split's mean.
    """

    unit = ""
    limits = (-math.inf, 1.0)
    log: bool = False
    center: float = field(default=0.0, init=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.log, bool):
            raise ValueError(f"R2(log={self.log!r}): give true or false")

    def fit(self, answers: Iterable[tuple[str, ...]]) -> "R2":
        # fsum is exact, so that the order of rows does not change the center.
        values = [self.scale(number) for items in answers for number in parse_numbers(items)]
        metric = replace(self)
        object.__setattr__(metric, "center", math.fsum(values) / max(len(values), 1))
        return metric

    def check(self, answers: tuple[str, ...]) -> None:
        if min(parse_numbers(answers)) < 0 and self.log:
            raise ValueError(f"{answers!r} has a number below 0, of which R2(log=True) has no log")

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        """Compute 1, the answer's distance from the center, its square, and the squared error."""
        predicted, answer = map(self.scale, find_nearest(prediction.text, answers))
        distance = answer - self.center
        return np.array([1.0, distance, distance**2, (answer - predicted) ** 2])

    def scale(self, number: float) -> float:
        return math.log1p(max(number, 0)) if self.log else number

    def score(self, total: Statistics) -> float:
        count, distances, squares, errors = total.tolist()
        spread = squares - distances**2 / count if count else 0.0
        if spread <= 1e-12 * squares:  # rounding residue of equal answers
            return float("nan")
        return 1 - errors / spread
