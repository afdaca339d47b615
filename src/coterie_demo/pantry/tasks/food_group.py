"""Food group: a photo of a food to its group; the test foods are unseen."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import get_foods
from coterie_demo.pantry.tasks.base import Row
from coterie_demo.pantry.tasks.photos import PhotoTask, store_photo

GROUPS = {
    "Cereals and Millets": "grain",
    "Grain Legumes": "pulse",
    "Green Leafy Vegetables": "leaf",
    "Other Vegetables": "vegetable",
    "Fruits": "fruit",
    "Roots and Tubers": "root",
    "Condiments and Spices": "spice",
    "Nuts and Oil Seeds": "nut",
    "Egg and Egg Products": "egg",
    "Poultry": "poultry",
    "Animal Meat": "meat",
    "Marine Fish": "fish",
    "Fresh Water Fish and Shellfish": "fish",
    "Edible Oils and Fats": "oil",
}
"""Groups of the table that have enough foods, as the answers call them; crabs and prawns of fresh
water are left out by `NO_FISH`."""
NO_FISH = ("crab", "prawns", "tiger prawns")


class FoodGroup(PhotoTask):
    """The group of a food from its photo."""

    name = "food_group"
    description = "a photo of a food; its group, one of 13"
    sizes: ClassVar = {"train": 600, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        chosen = [f for f in get_foods(split) if f.group in GROUPS and f.family not in NO_FISH]
        Random(f"food_group/{split}").shuffle(chosen)
        most, seen = (40 if split == "train" else 16), Counter()
        for food in chosen:
            group = GROUPS[food.group]
            seen[group] += 1
            if seen[group] <= most:
                yield {
                    "image": store_photo(assets, food),
                    "question": "What kind of food is it?",
                    "answer": group,
                    "food": food.name,
                }
