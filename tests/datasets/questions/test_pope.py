"""POPE's file and rule."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from coterie.datasets.questions.pope import Pope, says_yes
from tests.datasets.questions.answers import make_answers


def make(folder: Path, *items: Any) -> Pope:
    file = folder / "coco_pope_random.json"
    file.write_text("".join(json.dumps(item) + "\n" for item in items))
    return Pope(file=str(file), images=str(folder))


def test_rows(tmp_path: Path) -> None:
    item = {"question_id": 1, "image": "a.jpg", "text": "Is there a dog?", "label": "yes"}
    rows, bad = make(tmp_path, item, item | {"label": "maybe"}, 3).read()
    assert rows == [
        ("pope", {"id": "1", "image": str(tmp_path / "a.jpg"), "question": "Is there a dog?",
                  "answer": "yes"})
    ]  # fmt: skip
    assert list(map(str, bad)) == [
        "coco_pope_random.json:2: label: is 'maybe': give yes, no",
        "coco_pope_random.json:3: row: is a JSON int, '3\\n': give an object, {...}",
    ]


def score(pairs: list[tuple[str, str]]) -> dict[str, float]:
    rows = [{"prediction": said, "answer": label} for said, label in pairs]
    return Pope(file="", images="").compute_scores("pope", rows)


def test_scores_by_hand() -> None:
    # True positive 2, false positive 1, true negative 1, false negative 0.
    found = score([("Yes.", "yes"), ("yes", "yes"), ("Yes", "no"), ("There is no dog", "no")])
    assert found == pytest.approx({
        "accuracy": 75, "precision": 200 / 3, "recall": 100, "f1": 80, "yes ratio": 75, "rows": 4
    })  # fmt: skip
    found = score([("no", "no")])
    assert math.isnan(found["precision"]) and math.isnan(found["f1"]) and found["accuracy"] == 100


def test_scores_are_those_of_the_plain_rule() -> None:
    answers = make_answers()
    labels = ["yes" if i % 3 else "no" for i in range(len(answers))]
    table = {"yes": {True: 0, False: 0}, "no": {True: 0, False: 0}}
    for text, label in zip(answers, labels, strict=True):
        sentence = text[: text.index(".")] if "." in text else text
        negative = {"No", "not", "no"} & set("".join(sentence.split(",")).split(" "))
        assert says_yes(text) is not bool(negative)
        table[label][not negative] += 1
    tp, fn = table["yes"][True], table["yes"][False]
    fp, tn = table["no"][True], table["no"][False]
    assert min(tp, fn, fp, tn) > 5
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    assert score(list(zip(answers, labels, strict=True))) == pytest.approx({
        "accuracy": 100 * (tp + tn) / 200, "precision": 100 * precision, "recall": 100 * recall,
        "f1": 200 * precision * recall / (precision + recall), "yes ratio": (tp + fp) / 2,
        "rows": 200,
    })  # fmt: skip
