"""Mean absolute errors of nutrients."""

import numpy as np
import pytest

from coterie.metrics.text.nutrition_mae import NutritionMae
from tests.metrics.cases import score, text_statistics

CASES = [("calories 150, fat 1 g", ("calories 100, fat 3 g",)), ("?", ("calories 300, fat 5 g",))]


def test_by_hand() -> None:
    # Calories: |150 - 100| and |0 - 300|, since "?" counts as 0; fat: 2 and 5. Mean of 175 and 3.5.
    assert score(NutritionMae(nutrient="calories"), *CASES) == 175
    assert score(NutritionMae(nutrient="fat"), *CASES) == 3.5
    assert score(NutritionMae(), *CASES) == (175 + 3.5) / 2


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
