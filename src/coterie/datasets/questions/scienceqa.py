"""ScienceQA: choices of school science, with and without an image."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import format_value
from coterie.datasets.questions.base import QuestionDataset, QuestionTask, Record, Row
from coterie.datasets.questions.files import (
    get_object,
    get_text,
    get_texts,
    locate,
    read_json_file,
    read_json_list,
)
from coterie.metrics.base import compute_percent

LETTERS = ("A", "B", "C", "D", "E")
STATEMENT = re.compile(r"The answer is ([A-E])(?P<point>\.)?")
INSTRUCTION = "Answer with the option's letter from the given choices directly."
YOUNGER = tuple(f"grade{number}" for number in range(1, 7))
SUBJECTS = {"NAT": "natural science", "SOC": "social science", "LAN": "language science"}


@dataclass(frozen=True, kw_only=True)
class ScienceQa(QuestionDataset):
    """ScienceQA (Lu et al. 2022, arXiv:2209.09513), with answers read as LLaVA reads them.

    Attributes:
        folder: with problems.json, pid_splits.json and images/SPLIT/ID/FILE.
        split: train, val, test, minival or minitest.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = (QuestionTask(name="scienceqa", max_new_tokens=16),)
    folder: str
    split: str = "test"

    def list_records(self) -> Iterable[Record]:
        problems = read_json_file(Path(self.folder, "problems.json"))
        if not isinstance(problems, dict):
            raise ValueError(f"{self.folder}/problems.json holds no object of problems by id")
        for name in read_json_list(Path(self.folder, "pid_splits.json"), self.split):
            yield f"problems.json: {name}", (str(name), problems.get(str(name)))

    def make_row(self, record: Any) -> Row:
        name, problem = record
        item = get_object(problem)
        choices, answer = get_texts(item, "choices"), item.get("answer")
        if type(answer) is not int or not 0 <= answer < min(len(choices), len(LETTERS)):
            problem = f"is {format_value(answer)}: give the number of a choice, from 0 to"
            raise RowError("answer", f"{problem} {len(choices) - 1}")
        hint, image = item.get("hint") or "", item.get("image")
        media = {"image": locate(self.folder, "images", self.split, name, image)} if image else {}
        lines = [f"Context: {hint}"] if hint else []
        lines += [get_text(item, "question")]
        lines += [f"{letter}. {text}" for letter, text in zip(LETTERS, choices, strict=False)]
        return media | {
            "id": name,
            "question": "\n".join([*lines, INSTRUCTION]),
            "answer": LETTERS[answer],
            "choices": choices,
            "subject": get_text(item, "subject"),
            "grade": get_text(item, "grade"),
            "has_hint": bool(hint),
        }

    def compute_scores(self, task: str, rows: Sequence[Row]) -> dict[str, float]:
        """Compute the percent of right answers: of all, and of the paper's groups.

        TXT has a hint, IMG an image, NO neither. An answer that chooses no letter is wrong.
        """
        chosen = [choose(row["prediction"], len(row["choices"])) for row in rows]
        right = [letter == row["answer"] for letter, row in zip(chosen, rows, strict=True)]
        members = {name: [row["subject"] == subject for row in rows]
                   for name, subject in SUBJECTS.items()}  # fmt: skip
        members |= {
            "TXT": [row["has_hint"] for row in rows],
            "IMG": ["image" in row for row in rows],
            "NO": [not row["has_hint"] and "image" not in row for row in rows],
            "G1-6": [row["grade"] in YOUNGER for row in rows],
            "G7-12": [row["grade"] not in YOUNGER for row in rows],
            "average": [True for _ in rows],
        }
        scores = {name: compute_share(right, mine) for name, mine in members.items()}
        return scores | {"chose none": float(chosen.count("")), "rows": float(len(rows))}


def compute_share(right: Sequence[bool], members: Sequence[bool]) -> float:
    """Compute the percent of members that are right; NaN if there is none."""
    both = sum(a and b for a, b in zip(right, members, strict=True))
    return compute_percent(float(both), float(sum(members)))


def choose(prediction: str, num_choices: int) -> str:
    """Return the letter that an answer chooses; "" for none, or for one that is no choice.

    The answer is a letter; or begins with a letter, a point and a space; or says "The answer is"
    and a letter, of which the first with a point after it counts, or else the first.
    """
    text = prediction.replace("\n", ". ")
    letter = ""
    if text.strip() in LETTERS:
        letter = text.strip()
    elif text[:1] in LETTERS and text[1:3] == ". ":
        letter = text[0]
    elif found := list(STATEMENT.finditer(text)):
        letter = next((each[1] for each in found if each["point"]), found[0][1])
    return letter if letter in LETTERS[:num_choices] else ""
