"""Columns that nobody reads are listed; files under a misspelt name are an error."""

import pytest

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.unread_columns import (
    TrackedRow,
    check_unread,
    list_media_columns,
    looks_like_media,
)

KNOWN = list_media_columns(Columns())


def test_columns_that_were_not_read_are_listed():
    row = TrackedRow({"question": "q", "id": 3, "note": None, "tags": [], "image_id": "0815"})
    assert row["question"] == "q" and row.get("image") is None
    assert dict(row.items()).keys() >= {"id"}  # listing them does not count
    assert check_unread(row, KNOWN) == ["id", "image_id"]


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("img", "a.png", "image"),
        ("imgs", ["a.png"], "images"),
        ("imgae", {"bytes": b"x"}, "image"),
        ("audo", b"RIFF", "audio"),
        ("image1", "shots/1", "image"),
    ],
)
def test_a_misspelt_column_of_files_is_an_error(name: str, value: object, meant: str):
    with pytest.raises(RowError, match=f"^{name}: is a file .* did you mean {meant}?"):
        check_unread(TrackedRow({name: value}), KNOWN)


def test_what_is_no_file_or_beside_the_right_column_is_none():
    assert check_unread(TrackedRow({"img": 7, "imagine": "a lot"}), KNOWN) == ["img", "imagine"]
    row = TrackedRow({"image": "a.png", "imgae": "b.png"})
    assert row["image"] and check_unread(row, KNOWN) == ["imgae"]


def test_a_file_beside_the_content_of_a_message_is_an_error():
    turn = {"role": "user", "content": "what?", "images": ["a.png"], "name": "me"}
    row = TrackedRow({"messages": [turn]})
    assert row["messages"][0]["role"] == "user"
    with pytest.raises(RowError, match=r"^messages\[0\]\.images: is a file that is not read here"):
        check_unread(row, KNOWN)


def test_a_files_name_has_no_spaces_and_an_ending():
    assert looks_like_media("a.png") and looks_like_media(["b/c"]) and looks_like_media(b"x")
    assert not any(map(looks_like_media, ["a cat. yes", "cat", 3, [3], None, "3.14159265"]))
