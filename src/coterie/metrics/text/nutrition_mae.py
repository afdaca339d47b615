"""`NutritionMae`: the mean absolute error of a dish's nutrients."""

from dataclasses import dataclass

from coterie.metrics.text.nutrition_error import NutritionError, compute_mae


@dataclass(frozen=True, kw_only=True)
class NutritionMae(NutritionError):
    """Mean of |prediction - answer| of a nutrient, in grams or kilocalories.

    Amounts are those of `parse_nutrition`; a prediction without the nutrient counts as 0, and the
    number of these is among the details of the score.

    Attributes:
        nutrient: "mass", "calories", "fat", "carbohydrate", "protein", or "mean" over those that
            the answers have, which mixes the units: see `NutritionPmae`.
    """

    unit = ""
    score_nutrient = staticmethod(compute_mae)
