"""How much of the spread of the answers the predictions explain."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import Metric
from coterie.metrics.number import nearest, numbers_in


@dataclass(frozen=True, kw_only=True)
class R2(Metric):
    """The coefficient of determination: 1 is perfect, 0 as good as the mean answer, or below.

    A prediction without a number counts as 0; of several answers, the nearest counts. Undefined
    (NaN) where all answers are alike.

    Attributes:
        log: compare log(1 + x), for amounts that spread over decades; less than 0 counts as 0.
    """

    unit: ClassVar[str] = ""
    limits: ClassVar[tuple[float, float]] = (-math.inf, 1.0)

    log: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.log, bool):
            raise ValueError(f"R2(log={self.log!r}): give true or false")

    def check(self, answers: tuple[str, ...]) -> None:
        if self.log and min(numbers_in(answers)) < 0:
            raise ValueError(f"{answers!r} has a number below 0, of which R2(log=True) has no log")
        numbers_in(answers)

    def statistics(
        self, prediction: str, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        predicted, answer = nearest(prediction, answers)
        if self.log:
            predicted, answer = math.log1p(max(predicted, 0)), math.log1p(max(answer, 0))
        return np.array([1.0, answer, answer**2, (answer - predicted) ** 2])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        count, answers, squares, errors = total.tolist()
        spread = squares - answers**2 / count if count else 0.0
        if spread <= 1e-12 * squares:  # what is left of equal answers after rounding
            return float("nan")
        return 1 - errors / spread
