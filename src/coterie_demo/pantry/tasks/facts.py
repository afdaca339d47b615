"""Facts: which of two foods has more of a nutrient, in words only; the test foods are unseen."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import Food, get_foods
from coterie_demo.pantry.sources import FOODS
from coterie_demo.pantry.tasks.base import PantryTask, Row

NUTRIENTS = ("energy", "protein", "fat", "carbohydrate", "fibre", "iron")
TIMES = 2
"""How many times as much the one has as the other, at least."""
MAX_NAME_LETTERS = 24


class Facts(PantryTask):
    """Which of two foods has more of a nutrient."""

    name = "facts"
    description = "two foods by name; which has more of one of six nutrients"
    modalities = ("text",)
    sources = (FOODS,)
    held_out = "families of foods that are not in training (all apples are one family)"
    max_new_tokens = 12
    sizes: ClassVar = {"train": 1000, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        among = [food for food in get_foods(split) if len(food.name) <= MAX_NAME_LETTERS]
        for number in range(self.sizes[split]):
            random = Random(f"facts/{split}/{number}")
            nutrient, more, less = choose_foods(among, random)
            first, second = (more, less) if number % 2 else (less, more)
            choices = [get_short_name(first), get_short_name(second)]
            yield {
                "question": f"More {nutrient}: {choices[0]} or {choices[1]}?",
                "answer": get_short_name(more),
                "choices": choices,
                "nutrient": nutrient,
            }


def choose_foods(among: list[Food], random: Random) -> tuple[str, Food, Food]:
    """A nutrient, and two foods that clearly differ in it, the richer one first."""
    while True:
        nutrient = random.choice(NUTRIENTS)
        less, more = sorted(random.sample(among, 2), key=lambda food: food.nutrients[nutrient])
        if more.nutrients[nutrient] >= max(TIMES * less.nutrients[nutrient], 0.5):
            if more.family != less.family:
                return nutrient, more, less


def get_short_name(food: Food) -> str:
    return food.name.replace(",", "").lower()
