"""MME-RealWorld: five choices on images of high resolution, scored for task, domain, category."""

import re
from collections.abc import Iterable, Sequence
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
)
from coterie.datasets.questions.files import (
    get_object,
    get_one_of,
    get_text,
    get_texts,
    list_json_records,
    locate,
)

LETTERS = ("A", "B", "C", "D", "E")
LETTER = re.compile("[A-E]")
CHOICE = re.compile(r"\([A-E]\)")
LONGEST_WITHOUT_LETTER = 10
"""Words of an answer that may be the text of a choice."""
STATEMENTS = (
    "The best answer is", "The correct answer is", "The answer is", "The answer",
    "The best option is", "The correct option is", "Best answer:", "Best option:",
)  # fmt: skip
RELEASED_STATEMENTS = (*STATEMENTS[:4], "".join(STATEMENTS[4:6]), "".join(STATEMENTS[6:]))
"""Those of the released program, where two commas are missing, so that four are never found."""
INSTRUCTIONS = {
    "en": ("The choices are listed below:", "Select the best answer to the above multiple-choice "
           "question based on the image. Respond with only the letter (A, B, C, D, or E) of the "
           "correct option.\nThe best answer is:"),
    "cn": ("\u9009\u9879\u5982\u4e0b\u6240\u793a:", "\u6839\u636e\u56fe\u50cf\u9009\u62e9\u4e0a"
           "\u8ff0\u591a\u9879\u9009\u62e9\u9898\u7684\u6700\u4f73\u7b54\u6848\u3002\u53ea\u9700"
           "\u56de\u7b54\u6b63\u786e\u9009\u9879\u7684\u5b57\u6bcd\uff08A, B, C, D \u6216 E"
           "\uff09\u3002\n \u6700\u4f73\u7b54\u6848\u4e3a\uff1a"),
}  # fmt: skip
"""Language -> the published lines before and after the choices."""


@dataclass(frozen=True, kw_only=True)
class MmeRealWorld(QuestionDataset):
    """MME-RealWorld (Zhang et al. 2024, arXiv:2408.13257), English or Chinese.

    A JSON list with the keys Question_id, Image, Text, "Answer choices" (five, "(A) ..."), "Ground
    truth" (a letter), Task, Subtask (the domain), Category, and Output for a prediction, which is
    read where there is one.

    Attributes:
        file: the JSON file.
        images: the folder that `Image` is relative to.
        language: "en" or "cn", of the instruction.
        as_released: score as the released program does: four of its eight introductions, such as
            "Best answer:", are never removed, so that their B counts as the answer, and an answer
            without text counts as the first choice. Without it, all eight are removed, and an
            answer without text chooses none.
    """

    tasks: ClassVar[tuple[QuestionTask, ...]] = (
        QuestionTask(name="mme_realworld", max_new_tokens=16),
    )
    file: str
    images: str
    language: str = "en"
    as_released: bool = False

    def __post_init__(self) -> None:
        if self.language not in INSTRUCTIONS:
            raise ValueError(f"language = {self.language!r}: give {' or '.join(INSTRUCTIONS)}")

    def list_records(self) -> Iterable[Record]:
        return list_json_records(Path(self.file))

    def make_row(self, record: Any) -> Row:
        item = get_object(record)
        choices = get_texts(item, "Answer choices")
        for index, choice in enumerate(choices):
            if not CHOICE.match(choice):
                problem = f"is {format_value(choice)}: give a text that begins with its letter, (A)"
                raise RowError(f"Answer choices[{index}]", problem)
        before, after = INSTRUCTIONS[self.language]
        predicted = {"prediction": str(item["Output"])} if "Output" in item else {}
        return {
            "id": get_text(item, "Question_id"),
            "image": locate(self.images, get_text(item, "Image")),
            "question": "\n".join([get_text(item, "Text"), before, *choices, after]),
            "answer": get_one_of(item, "Ground truth", LETTERS),
            "choices": choices,
            "task": get_text(item, "Task"),
            "domain": get_text(item, "Subtask"),
            "category": simplify_category(get_text(item, "Category")),
        } | predicted

    def compute_scores(self, task: str, rows: Sequence[Row]) -> dict[str, float]:
        """Compute the percent of right answers: over all rows, and for task, domain, category.

        "average" is that of all rows, and "average of domains" the mean over the domains, each of
        equal weight, as in the leaderboard's Avg-C; both also within each task.
        """
        found = [choose(row["prediction"], row["choices"], as_released=self.as_released)
                 for row in rows]  # fmt: skip
        right = [letter == row["answer"] for letter, row in zip(found, rows, strict=True)]
        scores = compute_averages("", rows, right)
        for name in sorted({row["task"] for row in rows}):
            mine = [i for i, row in enumerate(rows) if row["task"] == name]
            part, hits = [rows[i] for i in mine], [right[i] for i in mine]
            scores |= compute_averages(f"{name}: ", part, hits)
            for column in ("domain", "category"):
                keyed = [row | {"category": f"{row['domain']}, {row['category']}"} for row in part]
                percents = compute_percents(keyed, hits, column)
                scores |= {f"{name}: {value}": score for value, score in percents.items()}
        counts = {"chose E": found.count("E"), "chose none": found.count(""), "rows": len(rows)}
        return scores | {name: float(count) for name, count in counts.items()}


def compute_averages(prefix: str, rows: Sequence[Row], right: Sequence[bool]) -> dict[str, float]:
    """Compute the average over rows, and the mean of those over each domain."""
    domains = compute_percents(rows, right, "domain").values()
    return {
        f"{prefix}average": 100 * sum(right) / len(right),
        f"{prefix}average of domains": sum(domains) / len(domains),
    }


def simplify_category(category: str) -> str:
    """Return a category as it is scored: in lower case, all attributes of a thing as one."""
    lower = category.lower()
    return f"{lower.split('/')[0]}/attribute" if "attribute" in lower else lower


def choose(prediction: str, choices: Sequence[str], *, as_released: bool = False) -> str:
    """Return the letter that an answer chooses; "" for none.

    Known introductions are removed; the first capital A to E counts, wherever it stands; without
    one, an answer of at most ten words is the first choice that has it in its text.
    """
    text = prediction.strip()
    for statement in RELEASED_STATEMENTS if as_released else STATEMENTS:
        text = text.replace(statement, "")
    if found := LETTER.search(text):
        return found[0]
    if len(text.split()) > LONGEST_WITHOUT_LETTER or not (as_released or text.strip()):
        return ""
    wanted = text.lower()
    return next((each[1] for each in choices if wanted in each.lower()), "")
