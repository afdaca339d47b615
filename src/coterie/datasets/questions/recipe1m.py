"""Recipe1M and Recipe1M+: ingredients and steps of recipes with images of the dish."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.annotations import format_suggestions
from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import format_value
from coterie.datasets.questions.base import QuestionDataset, QuestionTask, Record, Row
from coterie.datasets.questions.files import (
    get_object,
    get_one_of,
    get_text,
    list_json_records,
    locate,
)
from coterie.datasets.questions.uni_food import TASKS, Dish

PARTITIONS = ("train", "val", "test")
LAYER1, INGREDIENTS = "layer1.json", "det_ingrs.json"
NESTED = 4
"""Images are in a folder for each of the first four characters of their names."""


@dataclass(frozen=True, kw_only=True)
class Recipe1M(QuestionDataset):
    """Ingredients and recipes of dishes (Marin et al., TPAMI 2019, arXiv:1810.06553).

    layer1.json lists {"id", "title", "instructions": [{"text"}], "partition"}; det_ingrs.json lists
    {"id", "ingredients": [{"text"}], "valid": [true, ...]}, of which the valid names are taken; and
    the file of images {"id", "images": [{"id": "0a1b2c.jpg"}]}. Recipes without an image make no
    rows. Titles are no categories: there is no task of that name.

    Attributes:
        folder: with the three files.
        partition: "train", "val" or "test", as layer1.json has it.
        layer2: the file of images; layer2+.json is that of Recipe1M+.
        images: folder of the images; "" for FOLDER/images/PARTITION, where Recipe1M has them.
        all_images: a row for each image of a recipe, and not for the first alone.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = TASKS
    folder: str
    partition: str = "train"
    layer2: str = "layer2.json"
    images: str = ""
    all_images: bool = False

    def __post_init__(self) -> None:
        if self.partition not in PARTITIONS:
            near = format_suggestions(self.partition, PARTITIONS)
            allowed = ", ".join(PARTITIONS)
            raise ValueError(f"partition = {self.partition!r}{near}: give one of {allowed}")

    def list_records(self) -> Iterable[Record]:
        """List the recipes of the partition that have an image, with what the files say of them."""
        images, names = self._index(self.layer2), self._index(INGREDIENTS)
        for source, recipe in list_json_records(Path(self.folder, LAYER1)):
            key = recipe.get("id") if isinstance(recipe, dict) else None
            # A recipe of an unknown partition is a bad record of each.
            others = [each for each in PARTITIONS if each != self.partition]
            if isinstance(recipe, dict) and recipe.get("partition") in others:
                continue
            if not isinstance(key, str):
                yield source, (recipe, None, None)
            elif key in images:
                yield source, (recipe, images[key], names.get(key))

    def _index(self, name: str) -> dict[str, Any]:
        """Return id -> item of a file's list."""
        records = list_json_records(Path(self.folder, name))
        return {
            item["id"]: item
            for _, item in records
            if isinstance(item, dict) and isinstance(item.get("id"), str)
        }

    def convert(self, record: Any) -> Iterator[tuple[str, Row]]:
        recipe, images, names = record
        item = get_object(recipe)
        key = get_text(item, "id")
        get_one_of(item, "partition", PARTITIONS)
        steps = list_texts(item, "instructions", "text")
        files = list_texts(get_object(images), "images", "id")
        for file in files if self.all_images else files[:1]:
            yield from Dish(
                image=self._locate(file), id=f"{key}-{Path(file).stem}", recipe="\n".join(steps),
                ingredients=list_valid_names(names),
            ).make_rows()  # fmt: skip

    def _locate(self, file: str) -> str:
        folder = self.images or Path(self.folder, "images", self.partition)
        return locate(folder, *file[:NESTED], file)


def list_texts(item: dict[str, Any], field: str, key: str) -> list[str]:
    """List the texts of a field like [{key: text}, ...]. Raises RowError for another."""
    parts = item.get(field)
    if not (isinstance(parts, list) and parts):
        raise RowError(field, f'is {format_value(parts)}: give a list of {{"{key}": text}}')
    found = []
    for index, part in enumerate(parts):
        try:
            found.append(get_text(get_object(part), key))
        except RowError as error:
            raise RowError(f"{field}[{index}].{error.field}", error.reason) from None
    return found


def list_valid_names(item: Any) -> list[str]:
    """List the names of a recipe's ingredients that the detection calls valid, each once.

    Raises RowError if there is no item, or not as many flags as names.
    """
    if item is None:
        raise RowError("ingredients", f"{INGREDIENTS} has no recipe of this id")
    names, valid = list_texts(item, "ingredients", "text"), item.get("valid")
    if not (isinstance(valid, list) and len(valid) == len(names)):
        problem = f"of {INGREDIENTS} is {format_value(valid)}: give true or false for each of the"
        raise RowError("valid", f"{problem} {len(names)} ingredients")
    kept = (name for name, is_valid in zip(names, valid, strict=True) if is_valid is True)
    return list(dict.fromkeys(kept))
