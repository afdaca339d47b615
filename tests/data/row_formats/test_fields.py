"""Fields that hold lists as text, and texts that are too long."""

import json
from pathlib import Path

import pytest

from coterie.data.dataset import RowError
from tests.data.files import png
from tests.data.row_formats.reading import read


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


def test_a_text_beyond_all_contexts(folder: Path) -> None:
    with pytest.raises(RowError, match=r"answer: has 1048577 characters: at most 1048576"):
        read({"question": "?", "answer": "x" * (2**20 + 1)}, folder)
