"""TextVQA's file, and the accuracy of VQA held to the plain rule."""

import itertools
import json
from pathlib import Path

import pytest

from coterie.datasets.questions.textvqa import TextVqa
from tests.datasets.questions.answers import make_answers

PEOPLE = ["5", "five", "cats", "yes", "A", "No.", "5", "the cats", "3 dogs", "cats"]


def make(folder: Path, **item: object) -> TextVqa:
    given = {"question_id": 7, "image_id": "ab", "question": "What?", "answers": PEOPLE} | item
    (folder / "val.json").write_text(json.dumps({"dataset_type": "val", "data": [given]}))
    return TextVqa(file=str(folder / "val.json"), images="images")


def test_rows(tmp_path: Path) -> None:
    rows, bad = make(tmp_path).read()
    assert bad == () and rows[0][1]["answer"] == PEOPLE and rows[0][1]["id"] == "7"
    assert rows[0][1]["image"].endswith("images/ab.jpg")
    _, bad = make(tmp_path, answers=[]).read()
    assert str(bad[0]) == "val.json[0]: answers: is []: give a list of texts"


def apply_rule(text: str, answers: list[str]) -> float:
    """The mean over the nine others of min(number of equal answers / 3, 1)."""

    def tidy(answer: str) -> str:
        words = answer.lower().replace(".", "").replace(",", "").split()
        return " ".join({"five": "5"}.get(w, w) for w in words if w not in ("a", "an", "the"))

    scores = [min(1.0, sum(tidy(text) == tidy(other) for other in others) / 3)
              for others in itertools.combinations(answers, 9)]  # fmt: skip
    return sum(scores) / len(scores)


def test_scores_are_those_of_the_plain_rule(tmp_path: Path) -> None:
    # Of marks only points and commas, and of numbers only "five", which the plain rule knows.
    answers = [x for x in make_answers(400) if not set(x) & set("(){}:%'/_-!?\n\"")][:200]
    assert len(answers) == 200
    dataset, found = make(tmp_path), []
    for text in answers:
        row = {"answer": PEOPLE, "prediction": text}
        found.append(dataset.compute_scores("textvqa", [row])["vqa_accuracy"])
    assert found == pytest.approx([100 * apply_rule(text, PEOPLE) for text in answers])
    assert 0 in found and max(found) > 50
