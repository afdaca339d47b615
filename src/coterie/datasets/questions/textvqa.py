"""TextVQA: questions on the text in photographs, each answered by ten people."""

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
class TextVqa(QuestionDataset):
    """TextVQA (Singh et al. 2019, arXiv:1904.08920), scored by the accuracy of VQA.

    Attributes:
        file: such as TextVQA_0.5.1_val.json: {"data": [{"question_id", "image_id", "question",
            "answers"}]}.
        images: folder of IMAGE_ID.jpg, such as train_images, which has those of both splits.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = (
        QuestionTask(
            name="textvqa",
            prompt=SHORT_ANSWER,
            metrics=("vqa_accuracy",),
            max_new_tokens=16,
        ),
    )
    file: str
    images: str

    def list_records(self) -> Iterable[Record]:
        return list_json_records(Path(self.file), "data")

    def make_row(self, record: Any) -> Row:
        row = get_object(record)
        name, image = (
            str(row.get("question_id")),
            locate(self.images, f"{get_text(row, 'image_id')}.jpg"),
        )
        return {"id": name, "image": image} | get_question(row)
