"""Placeholders of media, marks of other systems, and both as plain letters."""

from pathlib import Path

import pytest

from coterie.data.dataset import RowError
from tests.data.row_formats.reading import read


def test_marks_as_letters(folder: Path) -> None:
    row = {"question": "Is \\<image> or \\<image 2> a tag?", "answer": "x", "image": "a.png"}
    found = read(row, folder)
    assert found[0][0] == [("user", ["a.png", "Is <image> or <image 2> a tag?"])]


def test_capitals_are_letters_after_a_backslash(folder: Path) -> None:
    found = read({"question": "Is \\<Image> a component?", "answer": "x"}, folder)
    assert found[0][0] == [("user", ["Is <Image> a component?"])]


def test_white_space_takes_no_time(folder: Path) -> None:
    row = {"question": f"a{' ' * 500_000}b", "answer": "x"}
    assert len(read(row, folder)[0][0][0][1][0]) == 500_002


@pytest.mark.parametrize(
    "mark", ["<depth>", "<image 1>", "<|image_1|>", "<speech>", "<IMAGE>", "<Image1>"]
)
def test_marks_that_nothing_replaces(folder: Path, mark: str) -> None:
    with pytest.raises(RowError, match=r"question: has the mark .*, which nothing replaces"):
        read({"question": f"See {mark}.", "answer": "x"}, folder)
