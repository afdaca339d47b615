"""Nutrition: low, medium or high in a nutrient, from a photo; the test foods are unseen."""

from collections.abc import Iterator
from random import Random
from statistics import quantiles
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import Food, get_foods
from coterie_demo.pantry.tasks.base import Row
from coterie_demo.pantry.tasks.photos import PhotoTask, store_photo

NUTRIENTS = ("water", "protein", "fat", "iron", "calcium")
"""Of which few foods have nothing: carbohydrate, which meat lacks, has no thirds."""
LEVELS = ("low", "medium", "high")
ASKED = 3
"""Nutrients that each food is asked about."""


class Nutrition(PhotoTask):
    """How much a food has of a nutrient: the thirds of the training foods are the levels."""

    name = "nutrition"
    description = "a photo of a food; is one of five nutrients low, medium or high"
    sizes: ClassVar = {"train": 1200, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        pairs = [
            (food, nutrient) for food in get_foods(split) for nutrient in list_asked_nutrients(food)
        ]
        Random(f"nutrition/{split}").shuffle(pairs)
        for food, nutrient in pairs:
            yield {
                "image": store_photo(assets, food),
                "question": f"Is {nutrient} low, medium or high?",
                "answer": get_level(food, nutrient),
                "food": food.name,
                "nutrient": nutrient,
                "value": food.nutrients[nutrient],
            }


def list_asked_nutrients(food: Food) -> list[str]:
    return Random(f"nutrition/{food.code}").sample(NUTRIENTS, ASKED)


def get_level(food: Food, nutrient: str) -> str:
    """The third of the training foods that the food's value falls into."""
    low, high = quantiles((each.nutrients[nutrient] for each in get_foods("train")), n=3)
    value = food.nutrients[nutrient]
    return LEVELS[(value > low) + (value > high)]
