"""Columns that nobody reads are listed; files under a misspelt name are an error."""

from pathlib import Path

import pytest

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats import detect_format
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


def test_keys_of_turns_that_nothing_reads_are_listed(tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}, "id": "0"}
    image = {"url": "data:image/png;base64,AAAA", "detail": "low"}
    turns = [
        {"role": "user", "content": [{"type": "image_url", "image_url": image}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "2", "tool_call_id": "0"},
        {"role": "assistant", "content": "It is 2.", "thinking": "hm"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    row = TrackedRow({"messages": turns, "tools": tools})
    detect_format(row).parse(row, Columns(), tmp_path)
    # Tools and arguments are passed on as they are.
    assert check_unread(row, KNOWN) == [
        "messages[].content[].image_url.detail",
        "messages[].thinking",
    ]


def test_objects_of_media_and_choices_are_read_whole(tmp_path: Path) -> None:
    row = TrackedRow(
        {
            "image": {"bytes": b"x", "path": "a.png"},
            "question": "?",
            "choices": {"A": "red"},
            "answer": "A",
        }
    )
    detect_format(row).parse(row, Columns(prompt="{question} {choices}"), tmp_path)
    assert check_unread(row, KNOWN) == []
