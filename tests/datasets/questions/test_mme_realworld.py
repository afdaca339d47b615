"""MME-RealWorld's file and rule."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from coterie.datasets.questions.mme_realworld import MmeRealWorld, choose, simplify_category
from tests.datasets.questions.answers import make_answers

CHOICES = ["(A) cats", "(B) dogs", "(C) birds", "(D) fish", "(E) none of them"]


def make_item(**fields: Any) -> dict[str, Any]:
    return {
        "Question_id": "perception/monitoring/0", "Question Type": "Multiple Choice",
        "Image": "a/b.jpg", "Text": "What is it?", "Answer choices": CHOICES, "Ground truth": "B",
        "Task": "Perception", "Subtask": "Monitoring", "Category": "Vehicle/color attribute",
        "Output": "B",
    } | fields  # fmt: skip


def make(folder: Path, *items: Any, **fields: Any) -> MmeRealWorld:
    file = folder / "mme.json"
    file.write_text(json.dumps(items))
    return MmeRealWorld(file=str(file), images=str(folder), **fields)


def test_rows(tmp_path: Path) -> None:
    rows, bad = make(tmp_path, make_item()).read()
    (task, row), *_ = rows
    assert (task, bad) == ("mme_realworld", ())
    assert row["question"].startswith("What is it?\nThe choices are listed below:\n(A) cats\n(B)")
    assert row["question"].endswith("of the correct option.\nThe best answer is:")
    assert row["image"] == str(tmp_path / "a/b.jpg") and row["prediction"] == row["answer"] == "B"
    chinese = make(tmp_path, make_item(), language="cn").read()[0][0][1]["question"]
    assert chinese.endswith("\u6700\u4f73\u7b54\u6848\u4e3a\uff1a")
    with pytest.raises(ValueError, match="language = 'de': give en or cn"):
        make(tmp_path, language="de")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (make_item(**{"Ground truth": "AB"}), r"mme\.json\[0\]: Ground truth: is 'AB': give A, B"),
        (make_item(**{"Answer choices": ["cats"]}), r"Answer choices\[0\]: is 'cats': give a text"),
        (make_item(Image=None), r"Image: is None: give text"),
    ],
)
def test_bad_records(tmp_path: Path, item: Any, said: str) -> None:
    rows, bad = make(tmp_path, item).read()
    assert rows == []
    with pytest.raises(ValueError, match=said):
        raise ValueError(str(bad[0]))


def apply_released_rule(text: str, choices: list[str], *, mended: bool) -> str:
    """The rule of the released program in other words: first letter, then text of a choice."""
    known = [f"The {x}" for x in ("best answer is", "correct answer is", "answer is", "answer")]
    four = ["The best option is", "The correct option is", "Best answer:", "Best option:"]
    known += four if mended else [four[0] + four[1], four[2] + four[3]]
    left = text.strip()
    for each in known:
        left = "".join(left.split(each))
    letters = re.findall("[A-E]", left)
    if letters:
        return letters[0]
    if len(left.split()) > 10 or (mended and left.split() == []):
        return ""
    return ([each[1] for each in choices if left.lower() in each.lower()] or [""])[0]


@pytest.mark.parametrize("as_released", [False, True])
def test_letters_are_those_of_the_plain_rule(as_released: bool) -> None:
    answers = make_answers()
    found = [choose(text, CHOICES, as_released=as_released) for text in answers]
    assert len(answers) == 200 and {"", *"ABCDE"} <= set(found)
    assert found == [apply_released_rule(x, CHOICES, mended=not as_released) for x in answers]


def test_missing_commas_are_mended() -> None:
    # "Best answer:" begins with B, and "The correct option is" has no capital A to E but in itself.
    assert choose("Best answer: C", CHOICES) == "C"
    assert choose("Best answer: C", CHOICES, as_released=True) == "B"
    assert choose("", CHOICES) == "" and choose("", CHOICES, as_released=True) == "A"
    assert choose("fish", CHOICES) == "D"


def test_averages_by_hand(tmp_path: Path) -> None:
    items = [
        make_item(), make_item(Output="A"), make_item(Output="B", Category="OTHER"),
        make_item(Subtask="OCR", Output="E"),
        make_item(Task="Reasoning", Subtask="OCR", Output="?!"),
    ]  # fmt: skip
    dataset = make(tmp_path, *items)
    scores = dataset.compute_scores("mme_realworld", [row for _, row in dataset.read()[0]])
    assert scores == pytest.approx({
        # 2 of 5; Monitoring 2 of 3, OCR 0 of 2.
        "average": 40, "average of domains": 100 / 3,
        # 2 of 4; Monitoring 2 of 3, OCR 0 of 1.
        "Perception: average": 50, "Perception: average of domains": 100 / 3,
        "Perception: Monitoring": 200 / 3, "Perception: OCR": 0,
        "Perception: Monitoring, vehicle/attribute": 50, "Perception: Monitoring, other": 100,
        "Perception: OCR, vehicle/attribute": 0,
        "Reasoning: average": 0, "Reasoning: average of domains": 0, "Reasoning: OCR": 0,
        "Reasoning: OCR, vehicle/attribute": 0,
        "chose E": 1, "chose none": 1, "rows": 5,
    })  # fmt: skip


def test_attributes_are_one_category() -> None:
    assert simplify_category("Vehicle/Color Attribute") == "vehicle/attribute"
    assert simplify_category("Diagram") == "diagram"
