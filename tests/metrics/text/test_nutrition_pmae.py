"""Mean absolute errors of nutrients in percent of their mean."""

import math

import pytest

from coterie.metrics.text.nutrition_pmae import NutritionPmae
from tests.metrics.cases import score


def test_by_hand() -> None:
    # Truth 100 and 300, prediction 150 and 250: MAE 50, mean 200, so 25 % (section H).
    cases = [("calories 150", ("calories 100",)), ("250 kcal", ("300 kcal",))]
    assert score(NutritionPmae(nutrient="calories"), *cases) == 25
    # Fat: errors 1 of a mean of 2, so 50 %; the mean of 25 and 50.
    cases = [("calories 150, fat 1", ("calories 100, fat 2",)),
             ("calories 250, fat 3", ("calories 300, fat 2",))]  # fmt: skip
    assert score(NutritionPmae(), *cases) == pytest.approx(37.5)


def test_answers_of_zero_have_no_score() -> None:
    assert math.isnan(score(NutritionPmae(nutrient="fat"), ("fat 1 g", ("fat 0 g",))))
