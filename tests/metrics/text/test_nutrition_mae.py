"""Mean absolute errors of nutrients."""

from coterie.metrics.text.nutrition_mae import NutritionMae
from tests.metrics.cases import score

CASES = [("calories 150, fat 1 g", ("calories 100, fat 3 g",)), ("?", ("calories 300, fat 5 g",))]


def test_by_hand() -> None:
    # Calories: |150 - 100| and |0 - 300|, since "?" counts as 0; fat: 2 and 5. Mean of 175 and 3.5.
    assert score(NutritionMae(nutrient="calories"), *CASES) == 175
    assert score(NutritionMae(nutrient="fat"), *CASES) == 3.5
    assert score(NutritionMae(), *CASES) == (175 + 3.5) / 2
