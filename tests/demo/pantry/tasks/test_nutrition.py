"""Levels are the thirds of the training foods."""

from collections import Counter

from coterie_demo.pantry.catalog import get_foods
from coterie_demo.pantry.tasks import nutrition


def test_levels_are_thirds_of_training():
    for nutrient in nutrition.NUTRIENTS:
        counts = Counter(nutrition.get_level(food, nutrient) for food in get_foods("train"))
        assert all(0.28 < count / len(get_foods("train")) < 0.39 for count in counts.values())


def test_a_food_is_asked_about_three_nutrients(photos):
    rows = [*nutrition.Nutrition().generate_rows(photos, "test")]
    counts = Counter(row["food"] for row in rows)
    assert min(counts.values()) == nutrition.ASKED
    assert all(f"Is {row['nutrient']} low" in row["question"] for row in rows)
