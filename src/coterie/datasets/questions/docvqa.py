"""DocVQA: questions on scanned pages, scored by edit distance."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.datasets.questions.base import (
    SHORT_ANSWER,
    QuestionDataset,
    QuestionTask,
    Record,
    Row,
)
from coterie.datasets.questions.files import (
    get_object,
    get_question,
    get_text,
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
            prompt=SHORT_ANSWER,
            metrics=("anls",),
        ),
    )
    file: str
    images: str

    def list_records(self) -> Iterable[Record]:
        return list_json_records(Path(self.file), "data")

    def make_row(self, record: Any) -> Row:
        row = get_object(record)
        name, image = str(row.get("questionId")), locate(self.images, get_text(row, "image"))
        return {"id": name, "image": image} | get_question(row)
