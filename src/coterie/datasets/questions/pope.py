"""POPE: whether a thing is in an image, which tells how often a model invents things."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.sources.jsonl import JsonlSource
from coterie.datasets.questions.base import (
    SHORT_ANSWER,
    QuestionDataset,
    QuestionTask,
    Record,
    Row,
)
from coterie.datasets.questions.files import get_object, get_one_of, get_text, locate
from coterie.metrics.base import compute_percent

NO = ("No", "not", "no")


@dataclass(frozen=True, kw_only=True)
class Pope(QuestionDataset):
    """POPE (Li et al. 2023, arXiv:2305.10355) on images of COCO.

    JSON lines {"question_id", "image", "text", "label"}; the label is yes or no.

    Attributes:
        file: such as coco_pope_random.json, coco_pope_popular.json or coco_pope_adversarial.json.
        images: folder of the images, such as val2014.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = (
        QuestionTask(
            name="pope",
            prompt=SHORT_ANSWER,
            max_new_tokens=8,
        ),
    )
    file: str
    images: str

    def list_records(self) -> Iterable[Record]:
        source = JsonlSource(Path(self.file))
        for index in range(len(source)):
            yield source.describe_row(index), (source, index)

    def make_row(self, record: Any) -> Row:
        source, index = record
        row = get_object(source[index])
        return {
            "id": str(row.get("question_id", index)),
            "image": locate(self.images, get_text(row, "image")),
            "question": get_text(row, "text"),
            "answer": get_one_of(row, "label", ("yes", "no")),
        }

    def compute_scores(self, task: str, rows: Sequence[Row]) -> dict[str, float]:
        """Compute accuracy, precision, recall and F1 of "yes", and its share, in percent."""
        pairs = [(says_yes(row["prediction"]), row["answer"] == "yes") for row in rows]
        both, said = float(sum(a and b for a, b in pairs)), float(sum(a for a, _ in pairs))
        true, total = float(sum(b for _, b in pairs)), float(len(pairs))
        return {
            "accuracy": compute_percent(float(sum(a == b for a, b in pairs)), total),
            "precision": compute_percent(both, said),
            "recall": compute_percent(both, true),
            "f1": compute_percent(2 * both, said + true),
            "yes ratio": compute_percent(said, total),
            "rows": total,
        }


def says_yes(prediction: str) -> bool:
    """Whether an answer is yes: its text up to the first point has none of the words of NO.

    Words are separated by spaces, and commas are ignored, as in the released program: an empty
    answer is yes, and so is "NO".
    """
    words = prediction.split(".")[0].replace(",", "").split(" ")
    return not any(word in words for word in NO)
