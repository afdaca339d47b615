"""Prompts from columns, which may be optional or lists of choices; and answers of all kinds."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from coterie.data.dataset import RowError
from tests.data.row_formats.reading import read


def test_optional_columns(folder: Path) -> None:
    columns = {"prompt": "{instruction}\n\n{input?}", "answer": "output"}
    row = {"instruction": "Add.", "input": "1, 2", "output": "3"}
    assert read(row, folder, **columns)[0][0] == [("user", ["Add.\n\n1, 2"])]
    for empty in ("", " ", None):
        found = read({**row, "input": empty}, folder, **columns)
        assert found[0][0] == [("user", ["Add."])]
    with pytest.raises(RowError, match=r"input: is '': .*or write \{input\?\}"):
        read({**row, "input": ""}, folder, prompt="{input}", answer="output")


@pytest.mark.parametrize(
    "choices",
    [["red", 3], {"A": "red", "B": 3}, {"label": ["A", "B"], "text": ["red", "3"]}],
)
def test_choices_have_letters(folder: Path, choices: Any) -> None:
    row = {"question": "Which?", "choices": choices, "answer": "A"}
    found = read(row, folder, prompt="{question}\n{choices}")
    assert found[0][0] == [("user", ["Which?\nA. red\nB. 3"])]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"instruction": "Add.", "output": "3"},
            r"may name the column, as `question: instruction`$",
        ),
        ({"qestion": "Why?", "answer": "So."}, r"\(did you mean qestion\?\); the row has '[^`]*$"),
        ({"question": "Why?", "output": "So."}, r"may name the column, as `answer: output`$"),
        ({"question": "Why?"}, r"give text, a number or a list of these$"),
    ],
)
def test_columns_of_other_names(folder: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        read(row, folder)


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


def test_no_answer(folder: Path) -> None:
    row = {"question": "?", "answers": {"text": [], "answer_start": []}}
    with pytest.raises(RowError, match=r"answers\.text: is \[\]: give at least one"):
        read(row, folder)
