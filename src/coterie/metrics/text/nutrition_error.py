"""`NutritionError`: the errors of a dish's predicted nutrients, which two metrics score."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction, compute_ratio
from coterie.metrics.text.nutrition_parsing import NUTRIENTS, format_nutrition, parse_nutrition

MEAN = "mean"
"""In place of a nutrient: the mean over all of them."""


@dataclass(frozen=True, kw_only=True)
class NutritionError(TextMetric):
    """An error of a nutrient's amount, or the mean of the errors of all; kinds are subclasses.

    The statistics are four sums for each nutrient of the answer: |error|, truth, 1, and whether the
    prediction lacks it, which counts as 0. All four are 0 where the answer has none.
    """

    higher_is_better = False
    limits = (0.0, math.inf)
    nutrient: str = MEAN

    @staticmethod
    @abstractmethod
    def score_nutrient(error: float, truth: float, count: float) -> float:
        """Compute the score of a nutrient from sums over `count` samples, at least one."""

    def __post_init__(self) -> None:
        if self.nutrient not in (MEAN, *NUTRIENTS):
            name, allowed = type(self).__name__, ", ".join((MEAN, *NUTRIENTS))
            raise ValueError(f"{name}(nutrient={self.nutrient!r}): give {allowed}")

    def check(self, answers: tuple[str, ...]) -> None:
        given, *others = answers
        if others:
            raise ValueError(
                f"there are {len(answers)} answers: nutrients need one, with all amounts"
            )
        known = parse_nutrition(given)
        if not known or self.nutrient not in (MEAN, *known):
            wanted = " or ".join(NUTRIENTS) if self.nutrient == MEAN else self.nutrient
            raise ValueError(
                f"{given!r} has no amount of {wanted}: write the answer as "
                f"{format_nutrition(dict.fromkeys(NUTRIENTS, 10.0))!r}"
            )

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        predicted, given = parse_nutrition(prediction.text), parse_nutrition(answers[0])
        rows = np.zeros((len(NUTRIENTS), 4))
        for row, name in zip(rows, NUTRIENTS, strict=True):
            if name in given:
                error = abs(predicted.get(name, 0.0) - given[name])
                row[:] = error, given[name], 1.0, float(name not in predicted)
        return rows.ravel()

    def score(self, total: Statistics) -> float:
        known = select_known(total)
        names = known if self.nutrient == MEAN else known.keys() & {self.nutrient}
        scores = [self.score_nutrient(*known[name][:3]) for name in names]
        return float(np.mean(scores)) if scores else math.nan

    def describe(self, total: Statistics) -> Mapping[str, float]:
        """Return MAE and pMAE of each nutrient with a truth, and how many amounts were missing."""
        known = select_known(total)
        maes = {f"mae {name}": compute_mae(*row[:3]) for name, row in known.items()}
        relative = {f"pmae {name}": compute_pmae(*row[:3]) for name, row in known.items()}
        missing = {f"missing {name}, counted as 0": float(row[3]) for name, row in known.items()}
        return maes | relative | missing


def select_known(total: Statistics) -> dict[str, Statistics]:
    """Return the four sums of each nutrient that an answer has."""
    rows = total.reshape(len(NUTRIENTS), 4)
    return {name: row for name, row in zip(NUTRIENTS, rows, strict=True) if row[2]}


def compute_mae(error: float, truth: float, count: float) -> float:
    """Compute the mean absolute error."""
    return compute_ratio(error, count)


def compute_pmae(error: float, truth: float, count: float) -> float:
    """Compute the mean absolute error in percent of the mean truth; NaN if that is 0."""
    return 100 * compute_ratio(error, truth)
