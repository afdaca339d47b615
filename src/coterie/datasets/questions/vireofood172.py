"""VireoFood172: Chinese dishes with their category and visible ingredients."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import check_text, format_value
from coterie.datasets.questions.base import QuestionDataset, QuestionTask, Record, Row
from coterie.datasets.questions.files import list_json_records, locate, read_json_list
from coterie.datasets.questions.uni_food import TASKS, Dish


@dataclass(frozen=True, kw_only=True)
class VireoFood172(QuestionDataset):
    """Category and ingredients of dishes of 172 kinds (Chen and Ngo, ACM MM 2016).

    Attributes:
        folder: as FoodLMM arranges it: `ids`; ingre.json, a list of "/1/3_15.jpg name, name, ...";
            foodlist.json, a list of the categories' names; ready_chinese_food/1/3_15.jpg, where 1
            is the number of the category, from 1.
        ids: JSON list of the images of a split, such as "/1/3_15.jpg".
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = TASKS
    folder: str
    ids: str = "train_id.json"

    def list_records(self) -> Iterable[Record]:
        folder = Path(self.folder)
        categories = read_json_list(folder / "foodlist.json")
        ingredients: dict[str, tuple[str, str]] = {}
        for source, line in list_json_records(folder / "ingre.json"):
            name, _, names = str(line).partition(" ")
            ingredients[name] = source, names
        for source, name in list_json_records(folder / self.ids):
            where, names = ingredients.get(str(name), (source, ""))
            yield source, (name, categories, where, names)

    def convert(self, record: Any) -> Iterator[tuple[str, Row]]:
        name, categories, where, names = record
        check_text(name, "id")
        parts = name.split("/")
        number = int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else 0
        if not 1 <= number <= len(categories):
            problem = f"is {format_value(name)}: give /NUMBER/FILE, NUMBER from 1 to"
            raise RowError("id", f"{problem} {len(categories)}, the names of foodlist.json")
        found = [each.strip() for each in names.split(",")]
        if not all(found):
            problem = f"{where} has the ingredients {names!r} of {name}: give names"
            raise RowError("ingredients", problem)
        category = categories[number - 1]
        check_text(category, f"foodlist.json[{number - 1}]")
        yield from Dish(
            image=locate(self.folder, "ready_chinese_food", *parts[1:]), id="-".join(parts[1:]),
            category=category, ingredients=found
        ).make_rows()  # fmt: skip
