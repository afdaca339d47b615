"""DocVQA's file, and ANLS held to the plain rule."""

import json
from pathlib import Path

import pytest

from coterie.datasets.questions.docvqa import DocVqa
from tests.datasets.questions.answers import make_answers

ANSWERS = ["The answer is B", "cats", "5"]


def make(folder: Path, **item: object) -> DocVqa:
    given = {"questionId": 9, "image": "documents/a.png", "question": "What?", "answers": ANSWERS}
    (folder / "val.json").write_text(json.dumps({"data": [given | item]}))
    return DocVqa(file=str(folder / "val.json"), images="pages")


def test_rows(tmp_path: Path) -> None:
    rows, bad = make(tmp_path).read()
    assert bad == () and rows[0][1]["answer"] == ANSWERS and rows[0][1]["id"] == "9"
    assert rows[0][1]["image"].endswith("pages/documents/a.png")
    _, bad = make(tmp_path, image=3).read()
    assert str(bad[0]) == "val.json[0]: image: is 3: give text"


def count_edits(one: str, other: str) -> int:
    """Levenshtein's distance from the whole table."""
    table = [[i + j if 0 in (i, j) else 0 for j in range(len(other) + 1)]
             for i in range(len(one) + 1)]  # fmt: skip
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            options = table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a != b)
            table[i][j] = min(options)
    return table[-1][-1]


def apply_rule(text: str) -> float:
    """1 - distance / longer length of the nearest answer, or 0 below one half."""
    best = 0.0
    for answer in ANSWERS:
        pair = [" ".join(each.split()).lower() for each in (text, answer)]
        distance = count_edits(*pair) / max(1, *map(len, pair))
        best = max(best, 1 - distance if 1 - distance >= 0.5 else 0.0)
    return best


def test_scores_are_those_of_the_plain_rule(tmp_path: Path) -> None:
    dataset, answers = make(tmp_path), make_answers()
    found = [
        dataset.compute_scores("docvqa", [{"answer": ANSWERS, "prediction": text}])["anls"]
        for text in answers
    ]
    assert len(answers) == 200
    assert found == pytest.approx([100 * apply_rule(text) for text in answers])
    assert 0 in found and 100 in found and any(0 < each < 100 for each in found)
