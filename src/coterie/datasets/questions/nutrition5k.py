"""Nutrition5k: dishes of two cafeterias, with the weight and nutrients of each ingredient."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import format_value
from coterie.datasets.questions.base import QuestionDataset, QuestionTask, Record, Row
from coterie.datasets.questions.files import (
    list_json_records,
    locate,
    parse_amount,
    read_table,
)
from coterie.datasets.questions.uni_food import TASKS, Dish

METADATA = ("dish_metadata_cafe1.csv", "dish_metadata_cafe2.csv")
TOTALS = ("calories", "mass", "fat", "carbohydrate", "protein")
"""The columns after the dish's id."""
FIRST_INGREDIENT, INGREDIENT_COLUMNS = 6, 7
"""An ingredient has id, name, grams, calories, fat, carbohydrate, protein."""
UNNAMED = ("", "deprecated")


@dataclass(frozen=True, kw_only=True)
class Nutrition5k(QuestionDataset):
    """Ingredients and nutrition of dishes (Thames et al., CVPR 2021, arXiv:2103.03375).

    The metadata files have a line a dish, without a header: its id, total calories, mass, fat,
    carbohydrate and protein, and seven columns for each ingredient. Images are as FoodLMM arranges
    them: images/DISH/rgb.png, the view from above, or else the first image of that folder.

    Attributes:
        folder: with dish_metadata_cafe1.csv, dish_metadata_cafe2.csv, `ids` and images/.
        ids: JSON list of the dishes of a split, such as train_id.json.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = TASKS
    folder: str
    ids: str = "train_id.json"

    def list_records(self) -> Iterable[Record]:
        folder = Path(self.folder)
        dishes: dict[str, tuple[str, list[str]]] = {}
        for name in METADATA:
            for source, cells in read_table(folder / name):
                dishes[cells[0]] = source, cells
        for source, dish in list_json_records(folder / self.ids):
            yield dishes.get(str(dish), (source, dish))

    def convert(self, record: Any) -> Iterator[tuple[str, Row]]:
        if not isinstance(record, list):
            problem = f"the dish {format_value(record)} is in neither of {', '.join(METADATA)}"
            raise RowError("row", f"{problem}: take it out of {self.ids}")
        extra = len(record) - FIRST_INGREDIENT
        if extra < 0 or extra % INGREDIENT_COLUMNS:
            problem = f"has {len(record)} columns: 6 and 7 for each ingredient are needed"
            raise RowError("row", problem)
        amounts = {name: parse_amount(record[i], name) for i, name in enumerate(TOTALS, 1)}
        names = record[FIRST_INGREDIENT + 1 :: INGREDIENT_COLUMNS]
        for index, name in enumerate(names):
            if name.strip().lower() in UNNAMED:
                problem = f"is {name!r}, which the data set's authors left without a name"
                raise RowError(f"ingredient {index + 1}", problem)
        yield from Dish(
            image=self.find_image(record[0]), id=record[0], ingredients=names, nutrition=amounts
        ).make_rows()

    def find_image(self, dish: str) -> str:
        """Return the image of a dish. Raises RowError if there is none."""
        folder = Path(self.folder, "images", dish)
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        if not files:
            raise RowError("image", f"there is no image in {folder}")
        preferred = [file for file in files if file.name == "rgb.png"]
        return locate((preferred or files)[0])
