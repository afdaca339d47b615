"""`NutritionPmae`: the mean absolute error of a dish's nutrients in percent of their mean."""

from dataclasses import dataclass

from coterie.metrics.text.nutrition_error import NutritionError, compute_pmae


@dataclass(frozen=True, kw_only=True)
class NutritionPmae(NutritionError):
    """100 * MAE / mean of the answers of a nutrient, as in Nutrition5k (arXiv:2103.03375).

    Amounts are those of `parse_nutrition`; a prediction without the nutrient counts as 0, and the
    number of these is among the details of the score. NaN if all answers are 0.

    Attributes:
        nutrient: "mass", "calories", "fat", "carbohydrate", "protein", or "mean" over those that
            the answers have.
    """

    score_nutrient = staticmethod(compute_pmae)
