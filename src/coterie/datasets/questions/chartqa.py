"""ChartQA: questions on charts, asked by people and by a program."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.datasets.questions.base import QuestionDataset, QuestionTask, Record, Row
from coterie.datasets.questions.files import get_object, get_text, list_json_records, locate

KINDS = ("human", "augmented")


@dataclass(frozen=True, kw_only=True)
class ChartQa(QuestionDataset):
    """ChartQA (Masry et al. 2022, arXiv:2203.10244): relaxed accuracy, also for each kind.

    Attributes:
        folder: with SPLIT/SPLIT_human.json and SPLIT/SPLIT_augmented.json, each a list of
            {"imgname", "query", "label"}, and SPLIT/png/.
        split: train, val or test.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = (
        QuestionTask(
            name="chartqa",
            prompt="{question}\nAnswer the question with a single word.",
            metrics=("relaxed_accuracy",),
            max_new_tokens=16,
        ),
    )
    groups: ClassVar[tuple[str, ...]] = ("kind",)
    folder: str
    split: str = "test"

    def list_records(self) -> Iterable[Record]:
        for kind in KINDS:
            file = Path(self.folder, self.split, f"{self.split}_{kind}.json")
            for source, item in list_json_records(file):
                yield source, (source, kind, item)

    def make_row(self, record: Any) -> Row:
        source, kind, item = record
        row = get_object(item)
        return {
            "id": source,
            "image": locate(self.folder, self.split, "png", get_text(row, "imgname")),
            "question": get_text(row, "query"),
            "answer": get_text(row, "label"),
            "kind": kind,
        }
