"""DocVQA: questions on scanned pages, scored by edit distance."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.datasets.questions.base import QuestionDataset, QuestionTask, Record, Row
from coterie.datasets.questions.files import (
    get_object,
    get_text,
    get_texts,
    list_json_records,
    locate,
)


@dataclass(frozen=True, kw_only=True)
class DocVqa(QuestionDataset):
    """DocVQA (Mathew et al. 2021, arXiv:2007.00398), scored by ANLS.

    Attributes:
        file: such as val_v1.0.json: {"data": [{"questionId", "question", "image", "answers"}]}; the
            test split has no answers, and cannot be scored here.
        images: the folder that `image` is relative to.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = (
        QuestionTask(
            name="docvqa",
            prompt="{question}\nAnswer the question using a single word or phrase.",
            metrics=("anls",),
        ),
    )
    file: str
    images: str

    def list_records(self) -> Iterable[Record]:
        return list_json_records(Path(self.file), "data")

    def convert(self, record: Any) -> Iterator[tuple[str, Row]]:
        row = get_object(record)
        yield (
            self.tasks[0].name,
            {
                "id": str(row.get("questionId")),
                "image": locate(self.images, get_text(row, "image")),
                "question": get_text(row, "question"),
                "answer": get_texts(row, "answers"),
            },
        )
