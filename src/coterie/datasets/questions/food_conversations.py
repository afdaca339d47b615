"""Food conversations in the JSON of FoodLMM and Uni-Food, whose turns have the key `form`."""

import re
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
from coterie.datasets.questions.uni_food import TASKS

NESTED = 4
"""Recipe1M+ nests images in a folder for each of the first four characters of their names."""
WORDS = {
    "nutrition": re.compile(r"calor|nutri|\bfats?\b|protein|carb|\bkcal|weigh", re.IGNORECASE),
    "recipe": re.compile(r"recipe|cook|prepar|instruction|\bsteps?\b|\bmade\?|make", re.IGNORECASE),
    "ingredients": re.compile(r"ingredient|component|made of|contain", re.IGNORECASE),
    "category": re.compile(r"name|dish|categor|what is this|food is", re.IGNORECASE),
}
"""Task -> words of its questions; a question is of the first task that has one of its words."""


@dataclass(frozen=True, kw_only=True)
class FoodConversations(QuestionDataset):
    """Questions and answers on images of dishes, as FoodLMM trains on Recipe1M+ (2312.14991).

    A JSON list of {"image": "0a1b2c.jpg", "conversations": [{"form": "question", "value": ...},
    {"form": "answer", "value": ...}, ...]}. Each question becomes a row with the image, without the
    turns before it; its task is found by the words of the question.

    Attributes:
        file: the JSON file, such as Recipe1M/recipe1m_train_1488.json.
        images: folder of the images, such as Recipe1M/images/train.
        nested: images are in a folder for each of the first four characters of their names, as in
            Recipe1M+.
        task: "ingredients", "recipe", "nutrition" or "category" for all questions; "" finds it.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = TASKS
    file: str
    images: str
    nested: bool = True
    task: str = ""

    def __post_init__(self) -> None:
        if self.task and self.task not in WORDS:
            near = format_suggestions(self.task, WORDS)
            raise ValueError(f"task = {self.task!r}{near}: give {', '.join(WORDS)}, or nothing")

    def list_records(self) -> Iterable[Record]:
        return list_json_records(Path(self.file))

    def convert(self, record: Any) -> Iterator[tuple[str, Row]]:
        item = get_object(record)
        name, turns = get_text(item, "image"), item.get("conversations")
        if not (isinstance(turns, list) and turns):
            problem = f"is {format_value(turns)}: give a list of questions and answers"
            raise RowError("conversations", problem)
        folders = tuple(name[:NESTED]) if self.nested else ()
        image = locate(self.images, *folders, name)
        for question, answer in pair_turns(turns):
            row = {"id": Path(name).stem, "image": image, "question": question, "answer": answer}
            yield self.task or find_task(question), row


def pair_turns(turns: list[Any]) -> list[tuple[str, str]]:
    """Pair each question with the answer after it. Raises RowError if they do not alternate.

    A first turn that is an answer is left out, as FoodLMM does.
    """
    forms, values = [], []
    for index, turn in enumerate(turns):
        try:
            item = get_object(turn)
            forms.append(get_one_of(item, "form", ("question", "answer")))
            values.append(get_text(item, "value").replace("<image>", "").strip())
        except RowError as error:
            raise RowError(f"conversations[{index}].{error.field}", error.reason) from None
    start = 1 if forms[0] == "answer" else 0
    for index in range(start, len(forms)):
        wanted = "answer" if (index - start) % 2 else "question"
        if forms[index] != wanted:
            problem = f"is {forms[index]!r}: {wanted!r} comes here, as the two alternate"
            raise RowError(f"conversations[{index}].form", problem)
    if (len(forms) - start) % 2 or len(forms) == start:
        raise RowError(f"conversations[{len(forms) - 1}]", "has no answer after it: give one")
    return list(zip(values[start::2], values[start + 1 :: 2], strict=True))


def find_task(question: str) -> str:
    """Find the task of a question by its words. Raises RowError if it has none of them."""
    for task, words in WORDS.items():
        if words.search(question):
            return task
    raise RowError(
        "conversations",
        f"asks {format_value(question)}, which names none of {', '.join(WORDS)}: give its `task`",
    )
