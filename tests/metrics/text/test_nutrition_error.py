"""Errors of nutrients: what both metrics have in common."""

import numpy as np
import pytest

from coterie.metrics.text.nutrition_mae import NutritionMae
from tests.metrics.cases import text_statistics

CASES = [("calories 150, fat 1 g", ("calories 100, fat 3 g",)), ("?", ("calories 300, fat 5 g",))]


def test_each_nutrient_and_missing_amounts_are_among_the_details() -> None:
    total = np.sum([text_statistics(NutritionMae(), *case) for case in CASES], axis=0)
    # Means of the answers: 200 kcal and 4 g.
    assert NutritionMae().describe(total) == {
        "mae calories": 175, "mae fat": 3.5,
        "pmae calories": 87.5, "pmae fat": 87.5,
        "missing calories, counted as 0": 1, "missing fat, counted as 0": 1,
    }  # fmt: skip


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match=r"NutritionMae\(nutrient='salt'\): give mean, mass,"):
        NutritionMae(nutrient="salt")


def test_answers_that_cannot_be_scored_are_refused() -> None:
    NutritionMae(nutrient="mean").check(("fat 3 g",))
    with pytest.raises(ValueError, match=r"^'fat 3 g' has no amount of protein: write the answer"):
        NutritionMae(nutrient="protein").check(("fat 3 g",))
    with pytest.raises(ValueError, match=r"^'much' has no amount of mass or calories or fat or"):
        NutritionMae(nutrient="mean").check(("much",))
    with pytest.raises(ValueError, match="there are 2 answers: nutrients need one"):
        NutritionMae(nutrient="mean").check(("fat 3 g", "fat 4 g"))
