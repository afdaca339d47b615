"""MMBench: choices that are asked again with rotated options (CircularEval)."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import format_value
from coterie.datasets.questions.base import (
    QuestionDataset,
    QuestionTask,
    Record,
    Row,
    compute_percents,
    group_rows,
)
from coterie.datasets.questions.files import get_one_of, get_text, read_table

LETTERS = ("A", "B", "C", "D")
ROTATION = 1_000_000
"""The index of a rotated copy is that of the question plus a multiple of this."""
INSTRUCTION = "Answer with the option's letter from the given choices directly."
MARKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
REFUSALS = (
    "Sorry, I can't help with images of people yet.", "I can't process this file.",
    "I'm sorry, but without the image provided", "Cannot determine the answer",
)  # fmt: skip
LAST_WORDS = 5
"""A letter counts among the last words of an answer alone."""


@dataclass(frozen=True, kw_only=True)
class MmBench(QuestionDataset):
    """MMBench (Liu et al. 2023, arXiv:2307.06281) from its TSV file.

    Columns: index, question, hint, A to D, answer, category, l2-category, split, and image: JPEG in
    base64, or the index of the row that has it. A question is right if all its rotations are. An
    answer is read as VLMEvalKit reads it without a language model: `choose`.

    Attributes:
        file: such as MMBench_DEV_EN.tsv.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = (QuestionTask(name="mmbench", max_new_tokens=16),)
    file: str

    def list_records(self) -> Iterable[Record]:
        table = read_table(Path(self.file), "\t")
        _, columns = next(table, ("", []))
        if "index" not in columns or "image" not in columns:
            names = format_value(", ".join(columns))
            raise ValueError(f"{self.file} has the columns {names}: index and image are needed")
        records = [(source, columns, cells) for source, cells in table]
        index, image = columns.index("index"), columns.index("image")
        images = {
            cells[index]: cells[image] for _, _, cells in records if len(cells) == len(columns)
        }
        for source, names, cells in records:
            yield source, (names, cells, images)

    def make_row(self, record: Any) -> Row:
        columns, cells, images = record
        if len(cells) != len(columns):
            raise RowError("row", f"has {len(cells)} cells: {len(columns)} are needed")
        row = dict(zip(columns, cells, strict=True))
        index = get_text(row, "index")
        if not index.isdecimal():
            raise RowError("index", f"is {format_value(index)}: give a whole number")
        options = {letter: row[letter] for letter in LETTERS if row.get(letter, "").strip()}
        lines = [get_text(row, "question")]
        lines += [f"{letter}. {text}" for letter, text in options.items()]
        return {
            "id": index,
            "image": decode_image(images.get(row["image"], row["image"])),
            "question": "\n".join([*filter(None, [row.get("hint", "").strip()]), *lines,
                                   INSTRUCTION]),
            "answer": get_one_of(row, "answer", list(options)),
            "options": options,
            "category": get_text(row, "category"),
            "l2-category": row.get("l2-category") or "none",
        }  # fmt: skip

    def compute_scores(self, task: str, rows: Sequence[Row]) -> dict[str, float]:
        """Compute the percent of questions of which all rotations are right (CircularEval)."""
        chosen = [choose(row["prediction"], row["options"]) for row in rows]
        keyed = [row | {"question": int(row["id"]) % ROTATION, "chosen": letter}
                 for row, letter in zip(rows, chosen, strict=True)]  # fmt: skip
        groups = list(group_rows(keyed, "question").values())
        right = [all(row["chosen"] == row["answer"] for row in group) for group in groups]
        first = [min(group, key=lambda row: int(row["id"])) for group in groups]
        scores = {"circular": 100 * sum(right) / len(right)}
        scores["vanilla"] = 100 * sum(row["chosen"] == row["answer"] for row in first) / len(first)
        for column in ("l2-category", "category"):
            percents = compute_percents(first, right, column)
            scores |= {f"{column} {value}": score for value, score in percents.items()}
        counts = {"chose none": chosen.count(""), "questions": len(groups), "rows": len(rows)}
        return scores | {name: float(count) for name, count in counts.items()}


def decode_image(text: str) -> bytes:
    """Decode an image in base64. Raises RowError if it is none."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        problem = f"is {format_value(text)}: give base64, or the index of a row that has it"
        raise RowError("image", problem)
    return content


def choose(prediction: str, options: Mapping[str, str]) -> str:
    """Return the letter that an answer chooses; "" for none.

    A letter that is the only one of the options' letters in the answer, as a word, among its last
    five words; else the only option whose text the answer has, unless it is more than twice as long
    as all options together. A refusal, and "Z" without an option's letter, choose none.
    """
    if any(each in prediction for each in REFUSALS):
        return ""
    words = prediction.translate(MARKS).split()
    named = [letter for letter in options if letter in words]
    if len(named) == 1 and words.index(named[0]) > len(words) - LAST_WORDS:
        return named[0]
    if not named and "Z" in words:
        return ""
    text = prediction.lower()
    if len(text) > 2 * sum(map(len, options.values())):
        return ""
    held = [letter for letter, option in options.items() if option.lower() in text]
    return held[0] if len(held) == 1 else ""
