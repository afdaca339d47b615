"""ScienceQA's files, and LLaVA's rule for answers."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from coterie.datasets.questions.scienceqa import ScienceQa, choose
from tests.datasets.questions.answers import make_answers


def make(folder: Path, **problems: Any) -> ScienceQa:
    (folder / "problems.json").write_text(json.dumps(problems))
    (folder / "pid_splits.json").write_text(json.dumps({"test": [*problems]}))
    return ScienceQa(folder=str(folder))


def problem(**fields: Any) -> dict[str, Any]:
    return {"question": "What?", "choices": ["cats", "dogs"], "answer": 1, "hint": "",
            "image": None, "subject": "natural science", "grade": "grade2"} | fields  # fmt: skip


def test_rows(tmp_path: Path) -> None:
    rows, bad = make(tmp_path, a=problem(hint="Look.", image="image.png"), b=problem()).read()
    first, second = (row for _, row in rows)
    assert bad == () and first["question"] == (
        "Context: Look.\nWhat?\nA. cats\nB. dogs\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert first["image"] == str(tmp_path / "images/test/a/image.png") and first["answer"] == "B"
    assert "image" not in second and second["question"].startswith("What?\nA.")


def test_bad_records(tmp_path: Path) -> None:
    _, bad = make(tmp_path, a=problem(answer=2), b=None, c=problem(choices=[])).read()
    assert list(map(str, bad)) == [
        "problems.json: a: answer: is 2: give the number of a choice, from 0 to 1",
        "problems.json: b: row: is None: give an object",
        "problems.json: c: choices: is []: give a list of texts",
    ]
    with pytest.raises(ValueError, match='an object with a list under "val" is needed'):
        ScienceQa(folder=str(tmp_path), split="val").read()


def test_scores_by_hand(tmp_path: Path) -> None:
    dataset = make(
        tmp_path, a=problem(hint="Look.", image="image.png"), b=problem(grade="grade7"),
        c=problem(subject="social science", image="image.png"),
    )  # fmt: skip
    rows = [row for _, row in dataset.read()[0]]
    answered = [
        row | {"prediction": text} for row, text in zip(rows, ["B", "A. cats", "?"], strict=True)
    ]
    scores = dataset.compute_scores("scienceqa", answered)
    assert math.isnan(scores.pop("LAN"))  # there is none
    assert scores == pytest.approx({
        "NAT": 50, "SOC": 0, "TXT": 100, "IMG": 50, "NO": 0, "G1-6": 50, "G7-12": 0,
        "average": 100 / 3, "chose none": 1, "rows": 3,
    })  # fmt: skip


def apply_rule(text: str, num_choices: int) -> str:
    """LLaVA's rule in other words."""
    text = ". ".join(text.split("\n"))
    forms = (r"\s*([A-E])\s*", r"([A-E])\. .*", r".*?The answer is ([A-E])\..*",
             r".*?The answer is ([A-E]).*")  # fmt: skip
    for form in forms:
        if found := re.fullmatch(form, text, re.DOTALL):
            return found[1] if ord(found[1]) - ord("A") < num_choices else ""
    return ""


@pytest.mark.parametrize("num_choices", [2, 5])
def test_letters_are_those_of_the_plain_rule(num_choices: int) -> None:
    stated = [f"So. {text} The answer is {letter}{end}" for text in ("", "The answer is D")
              for letter in "ABE" for end in ("", ".", ". B", "F")]  # fmt: skip
    answers = [*make_answers(), *stated]
    found = [choose(text, num_choices) for text in answers]
    assert {"", "A", "B"} <= set(found)
    assert found == [apply_rule(text, num_choices) for text in answers]
