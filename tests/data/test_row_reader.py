"""One row: what is known of a valid one, the error of another, and columns that nobody reads."""

from pathlib import Path

import pytest

from coterie.data.columns import Columns
from coterie.data.dataset import BadRow, RowError
from coterie.data.row_formats import detect_format
from coterie.data.row_reader import (
    RowReader,
    TrackedRow,
    ValidRow,
    check_row,
    check_unread,
    count_tokens_of_row,
    list_media_columns,
    looks_like_media,
)
from coterie.data.sample_check import SampleCheck
from coterie.data.sources.jsonl import JsonlSource
from tests.data.files import jsonl, png

READER = RowReader(task="t")
KNOWN = list_media_columns(Columns())


class CountWords(SampleCheck):
    def count_tokens(self, sample) -> int:
        if sample.answers == ("b",):
            raise RowError("row", "too long")
        return len(sample.get_last_user_text().split())


def test_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    rows = [
        {"question": "q w", "answer": "a", "id": 1},
        {"image": "a.png", "question": "q", "answer": "b"},
        {"img": "a.png", "question": "q", "answer": "b"},
    ]
    source = JsonlSource(jsonl(tmp_path / "r.jsonl", rows))
    first, second, third = (check_row(source, READER, None, False, i) for i in range(3))
    assert first == ValidRow(1, 0, False, ["id"]) and second == ValidRow(1, 0, True, [])
    assert isinstance(third, BadRow)
    assert (third.source, third.field) == ("r.jsonl:3", "img")
    assert count_tokens_of_row(source, READER, CountWords(), 0) == [2]
    assert count_tokens_of_row(source, READER, CountWords(), 1) == BadRow(
        source="r.jsonl:2", field="row", reason="too long"
    )


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
