"""Columns of media that nothing reads."""

from pathlib import Path
from typing import Any

import pytest

from coterie.data.dataset import RowError
from tests.data.row_formats.reading import read


@pytest.mark.parametrize(
    "column, value",
    [
        ("depth", "a.png"), ("depth_map", "a.npy"), ("point_clouds", ["a.ply"]),
        ("image_2", "b.png"), ("lidar", b"bytes"),
    ],
)  # fmt: skip
def test_beside_a_picture(folder: Path, column: str, value: Any) -> None:
    row = {"image": "a.png", column: value, "question": "?", "answer": "x"}
    with pytest.raises(RowError, match=rf"{column}: holds .*, which nothing reads"):
        read(row, folder)


@pytest.mark.parametrize("column", ["img", "picture", "image_path", "file", "audio_file"])
def test_a_row_without_other_media(folder: Path, column: str) -> None:
    with pytest.raises(RowError, match=rf"{column}: holds 'a.png', which nothing reads"):
        read({column: "a.png", "question": "?", "answer": "x"}, folder)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("screenshot", "a.png"), ("gif", "a.gif"), ("mel", "a.npy"),
        ("picture_url", "https://a.org/1"),
    ],
)  # fmt: skip
def test_names_and_addresses_of_media(folder: Path, column: str, value: str) -> None:
    with pytest.raises(RowError, match=rf"{column}: holds '.*', which nothing reads"):
        read({column: value, "question": "?", "answer": "x"}, folder)
    # In a column of another name they are no media, nor is a number or a text there.
    assert read({"source": value, column: 3, "question": "?", "answer": "x"}, folder)


@pytest.mark.parametrize(
    "extra", [{"depth": 3}, {"id": "a.png"}, {"path": "a.svg"}, {"image": None}]
)
def test_other_columns_are_no_media(folder: Path, extra: dict[str, Any]) -> None:
    assert read({**extra, "question": "?", "answer": "x"}, folder)


def test_a_video_that_is_not_there(folder: Path) -> None:
    with pytest.raises(RowError, match=r"video: the file 'a.mp4' cannot be read"):
        read({"video": "a.mp4", "question": "<video>?", "answer": "x"}, folder)


def test_a_picture_among_the_parts_of_a_message(folder: Path) -> None:
    parts = [{"type": "image", "image": "a.png"}]
    turns = [{"role": "user", "content": parts}, {"role": "assistant", "content": "x"}]
    assert read({"messages": turns, "image_path": "a.png"}, folder)
    with pytest.raises(RowError, match="image_path: holds"):
        asked = [{"role": "user", "content": "?"}, turns[1]]
        read({"messages": asked, "image_path": "a.png"}, folder)
