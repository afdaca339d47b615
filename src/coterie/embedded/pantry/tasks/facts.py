"""Facts: which of two foods has more of a nutrient, in words only; the test foods are unseen."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from coterie.embedded.pantry.larder import Larder
from coterie.embedded.pantry.shelf import Food, foods_of
from coterie.embedded.pantry.sources import FOODS
from coterie.embedded.pantry.tasks.base import PantryTask, Row

NUTRIENTS = ("energy", "protein", "fat", "carbohydrate", "fibre", "iron")
TIMES = 2
"""How many times as much the one has as the other, at least."""
MOST_LETTERS = 24


class Facts(PantryTask):
    """Which of two foods has more of a nutrient."""

    name = "facts"
    about = "two foods by name; which has more of one of six nutrients"
    modalities = ("text",)
    sources = (FOODS,)
    held_out = "families of foods that are not in training (all apples are one family)"
    max_new_tokens = 12
    sizes: ClassVar = {"train": 1000, "validation": 60, "test": 150}

    def rows(self, larder: Larder, split: str) -> Iterator[Row]:
        among = [food for food in foods_of(split) if len(food.name) <= MOST_LETTERS]
        for number in range(self.sizes[split]):
            random = Random(f"facts/{split}/{number}")
            nutrient, more, less = choose(among, random)
            first, second = (more, less) if number % 2 else (less, more)
            yield {
                "question": f"More {nutrient}: {called(first)} or {called(second)}?",
                "answer": called(more),
                "choices": [called(first), called(second)],
                "nutrient": nutrient,
            }


def choose(among: list[Food], random: Random) -> tuple[str, Food, Food]:
    """A nutrient, and two foods that clearly differ in it, the richer one first."""
    while True:
        nutrient = random.choice(NUTRIENTS)
        less, more = sorted(random.sample(among, 2), key=lambda food: food.values[nutrient])
        if more.values[nutrient] >= max(TIMES * less.values[nutrient], 0.5):
            if more.family != less.family:
                return nutrient, more, less


def called(food: Food) -> str:
    return food.name.replace(",", "").lower()
