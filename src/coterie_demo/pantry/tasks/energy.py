"""Energy: a photo of a food to its energy in 100 g; the test foods are unseen."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import Food, get_foods
from coterie_demo.pantry.tasks.base import Row
from coterie_demo.pantry.tasks.photos import PhotoTask, store_photo

TOLERANCE = 0.25


class Energy(PhotoTask):
    """The energy of 100 g of a food, from its photo."""

    name = "energy"
    description = "a photo of a food; the energy of 100 g in kcal, to tens"
    metric: ClassVar = {"name": "numeric", "tolerance": TOLERANCE}
    sizes: ClassVar = {"train": 600, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        chosen: list[Food] = list(get_foods(split))
        Random(f"energy/{split}").shuffle(chosen)
        for food in chosen:
            value = food.nutrients["energy"]
            yield {
                "image": store_photo(assets, food),
                "question": "How many kcal in 100 g?",
                "answer": str(max(10, int(round(value, -1)))),
                "food": food.name,
                "value": value,
            }
