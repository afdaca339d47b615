"""Amounts of nutrients in the forms in which models and data sets write them."""

import pytest

from coterie.metrics.text.nutrition_parsing import NUTRIENTS, format_nutrition, parse_nutrition

ALL = dict(zip(NUTRIENTS, (200.0, 300.0, 10.0, 20.0, 5.0), strict=True))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (format_nutrition(ALL), ALL),
        ('{"mass": 200, "calories": 300, "fat": 10, "carbs": 20, "protein": 5} Enjoy!', ALL),
        ('{"total_mass": "200 g", "energyKcal": 300, "totalFat": 10, "carb": 20, "protein": 5}',
         ALL),
        ("It weighs 200 g and has 300 kcal, 10 g of fat, 20 g carbs and 5 g protein.", ALL),
        ("Weight: 200g \n\tCalories: 300 kcal \n\tFat: 10g \n\tCarbohydrates: 20g \n\tProtein: 5g",
         ALL),  # FoodLMM's form
        ("| Mass | 200 g |\n| Calories | 300 |\n| Fat | 10 |\n| Carbs | 20 |\n| Protein | 5 |",
         ALL),
        ("200, 300, 10, 20, 5", ALL),
        ("[200, 300, 10, 20, 5]", ALL),
        ("calories 1,250 kcal", {"calories": 1250}),
        ("Energy: 1255.2 kJ, weight 0.2 kg", {"calories": pytest.approx(300), "mass": 200}),
        ("fat: 10 g, saturated fat: 3 g", {"fat": 10}),
        ("rice: calories 100, fat 1. Total: calories 300, fat 10", {"calories": 300, "fat": 10}),
        ("Calories: 250-300", {"calories": 250}),
        ("fat: NaN, protein: 5", {"protein": 5}),
        ("fat: -3 g", {"fat": 3}),
        ("calories: 1e9", {}),
        ("\uff12\uff10\uff10 kcal", {"calories": 200}),
        ("I cannot tell.", {}),
        ("", {}),
        ("9" * 100_000, {}),
    ],
)  # fmt: skip
def test_amounts(text: str, found: dict[str, float]) -> None:
    assert parse_nutrition(text) == found
