"""Rows of a prompt and its completion."""

from pathlib import Path

import pytest

from coterie.data.dataset import RowError
from tests.data.row_formats.reading import read


def test_text(folder: Path) -> None:
    row = {"prompt": "Why?", "completion": "So."}
    assert read(row, folder) == [([("user", ["Why?"])], ("So.",))]
    named = {"question": "prompt", "answer": "label"}
    assert read({**row, "label": "x"}, folder, **named)[0][1] == ("x",)


def test_messages_of_the_completion_are_learned(folder: Path) -> None:
    prompt = [{"role": role, "content": role[0]} for role in ("user", "assistant", "user")]
    row = {"prompt": prompt, "completion": [{"role": "assistant", "content": "x"}]}
    assert read(row, folder) == [([("user", ["u"]), ("assistant", ["a"]), ("user", ["u"])], ("x",))]


def test_one_of_each(folder: Path) -> None:
    with pytest.raises(RowError, match=r"completion: is 'x': give a list of messages, or two"):
        read({"prompt": [], "completion": "x"}, folder)
