"""Answers of all kinds."""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from coterie.data.dataset import RowError
from tests.data.files import png
from tests.data.row_formats.reading import read


@pytest.mark.parametrize(
    "answer, expected",
    [
        ({"text": ["a", "b"], "answer_start": [0, 3]}, ("a", "b")),  # SQuAD
        ([{"answer": "net", "answer_id": 1}, {"answer": "a net"}], ("net", "a net")),  # VQA
        (Decimal("1.50"), ("1.50",)),
        (date(2020, 1, 2), ("2020-01-02",)),
        (datetime(2020, 1, 2, 3, 4), ("2020-01-02 03:04:00",)),
        ("\\<image>", ("<image>",)),
    ],
)
def test_kinds(folder: Path, answer: Any, expected: tuple[str, ...]) -> None:
    assert read({"question": "?", "answer": answer}, folder)[0][1] == expected
    assert read({"question": "?", "answers": answer}, folder)[0][1] == expected


@pytest.mark.parametrize("text", ['["a", "b"]', "['a', 'b']"], ids=["JSON", "Python"])
def test_a_list_in_a_cell_of_csv(folder: Path, text: str) -> None:
    assert read({"question": "?", "answers": text}, folder)[0][1] == ("a", "b")
    # The singular names one text, which may have brackets.
    assert read({"question": "?", "answer": text}, folder)[0][1] == (text,)
    for name in "ab":
        (folder / name).write_bytes(png())
    ((turns, _),) = read({"images": text, "question": "?", "answer": "c"}, folder)
    assert turns == [("user", ["a", "b", "?"])]


def test_turns_in_a_cell_of_csv(folder: Path) -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    for text in (json.dumps(turns), str(turns)):
        assert read({"messages": text}, folder) == [([("user", ["hi"])], ("yo",))]
    with pytest.raises(RowError, match=r"messages: is '\[hi': give a list"):
        read({"messages": "[hi"}, folder)


def test_no_answer(folder: Path) -> None:
    row = {"question": "?", "answers": {"text": [], "answer_start": []}}
    with pytest.raises(RowError, match=r"answers\.text: is \[\]: give at least one"):
        read(row, folder)


def test_a_text_beyond_all_contexts(folder: Path) -> None:
    with pytest.raises(RowError, match=r"answer: has 1048577 characters: at most 1048576"):
        read({"question": "?", "answer": "x" * (2**20 + 1)}, folder)
