"""`NutritionPmae`: the mean absolute error of a dish's nutrients in percent of their mean."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.nutrition_parsing import (
    MEAN,
    check_nutrient,
    check_nutrition,
    compute_errors,
    compute_nutrition_score,
    describe_nutrition,
)


@dataclass(frozen=True, kw_only=True)
class NutritionPmae(TextMetric):
    """100 * MAE / mean of the answers of a nutrient, as in Nutrition5k (arXiv:2103.03375).

    Amounts are those of `parse_nutrition`; a prediction without the nutrient counts as 0, and the
    number of these is among the details of the score. NaN if all answers are 0.

    Attributes:
        nutrient: "mass", "calories", "fat", "carbohydrate", "protein", or "mean" over those that
            the answers have.
    """

    higher_is_better = False
    limits = (0.0, math.inf)
    nutrient: str = MEAN

    def __post_init__(self) -> None:
        check_nutrient(type(self).__name__, self.nutrient)

    def check(self, answers: tuple[str, ...]) -> None:
        check_nutrition(self.nutrient, answers)

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        return compute_errors(prediction, answers)

    def score(self, total: Statistics) -> float:
        return compute_nutrition_score(self.nutrient, total, relative=True)

    def describe(self, total: Statistics) -> Mapping[str, float]:
        return describe_nutrition(total)
