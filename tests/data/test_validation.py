"""Rows told good or bad, in files of one kind, and columns that nobody reads."""

import pickle
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from coterie.data import validation_cache
from coterie.data.columns import Columns
from coterie.data.dataset import BadRow, RowError, raise_for_bad_rows
from coterie.data.row_formats import detect_format
from coterie.data.sample import MediaFile
from coterie.data.sample_check import SampleCheck
from coterie.data.sources.jsonl import JsonlSource
from coterie.data.subset import SPLIT_PARTS
from coterie.data.validation import (
    RowReader,
    TrackedRow,
    ValidatedDataset,
    ValidRow,
    check_row,
    check_unread,
    count_tokens_of_row,
    list_media_columns,
    looks_like_media,
)
from tests.data.files import jsonl, png

READER = RowReader(task="t")
KNOWN = list_media_columns(Columns())


def rows_of(path: Path, rows: list, **options) -> ValidatedDataset:
    source = JsonlSource(jsonl(path / "r.jsonl", rows))
    return ValidatedDataset(source, RowReader(task="t"), **{"check_media": True, **options})


def asked(count: int) -> list:
    return [{"question": f"q{i}", "answer": i} for i in range(count)]


def test_rows_at_random_access(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, asked(100))
    assert [x.answers[0] for x in rows] == [str(i) for i in range(100)]
    assert rows[-1].answers == ("99",) and rows[7].source == "r.jsonl:8" and rows[7].task == "t"
    with pytest.raises(IndexError):
        rows[100]


def test_a_turn_is_a_sample(tmp_path: Path) -> None:
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    rows = rows_of(tmp_path, [row, *asked(1)])
    assert [x.answers[0] for x in rows] == ["b", "d", "0"]
    assert [x.source for x in rows] == ["r.jsonl:1", "r.jsonl:1", "r.jsonl:2"]


def test_windows_of_threads_keep_the_order(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(validation_cache, "CHUNK_SIZE", 2)
    monkeypatch.setattr(validation_cache.os, "cpu_count", lambda: 3)
    given = asked(101)
    given[50] = {"question": "q"}
    rows = rows_of(tmp_path, given)
    assert len(rows) == 100 and [bad.source for bad in rows.bad_rows] == ["r.jsonl:51"]
    assert rows[50].answers == ("51",)


def test_parts_do_not_depend_on_the_order_and_keep_pictures_together(tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / f"{i}.png").write_bytes(png((i, 0, 0)))
    given = [
        {"image": f"{i}.png", "question": f"{j}?", "answer": i} for i in range(10) for j in range(3)
    ]
    parts = {}
    for name, part in SPLIT_PARTS.items():
        samples = list(rows_of(tmp_path, given, part=part))
        back = list(rows_of(tmp_path, given[::-1], part=part))
        parts[name] = {x.answers[0] for x in samples}
        assert parts[name] == {x.answers[0] for x in back} and len(back) == 3 * len(parts[name])
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }
    assert len(set().union(*parts.values())) == 10


def test_bad_rows_are_told_in_each_part(tmp_path: Path) -> None:
    for part in SPLIT_PARTS.values():
        assert len(rows_of(tmp_path, [*asked(9), {"answer": 1}], part=part).bad_rows) == 1


def test_a_file_is_decoded_once_and_remembered(tmp_path: Path, monkeypatch, cache: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    given = [{"image": "a.png", **row} for row in asked(5)]
    loads, load = [], MediaFile.load
    monkeypatch.setattr(MediaFile, "load", lambda self: (loads.append(self.name), load(self)))
    rows_of(tmp_path, given)
    rows_of(tmp_path, given)
    assert len(loads) == 1 and len((cache / "checked.txt").read_text().split()) == 1
    (tmp_path / "a.png").write_bytes(png(size=(9, 9)))
    rows_of(tmp_path, given)
    assert len(loads) == 2  # it has changed
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert len(rows_of(tmp_path, given).bad_rows) == 5 and len(loads) == 3


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "file" / "home"))
    (tmp_path / "a.png").write_bytes(png())
    assert len(rows_of(tmp_path, [{"image": "a.png", **row} for row in asked(2)])) == 2


def test_they_can_be_sent_to_workers(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, asked(4))
    assert pickle.loads(pickle.dumps(rows))[3] == rows[3]
    loader = DataLoader(rows, batch_size=2, collate_fn=list)  # pyright: ignore
    assert [x.answers[0] for batch in loader for x in batch] == ["0", "1", "2", "3"]


def test_alike_faults_are_one_line(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [{"answer": i} for i in range(30)])
    with pytest.raises(ValueError) as error:
        raise_for_bad_rows(rows, what="task 't'", total=30, skip=True)
    first, row, more = str(error.value).splitlines()
    assert first == "task 't' has 30 bad rows of 30; no row is good: mend the files"
    assert row.startswith("  r.jsonl:1: question: is missing") and more == "  and 29 more, alike"


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"task 't' has no rows: give at least one"):
        raise_for_bad_rows(rows_of(tmp_path, []), what="task 't'", total=0, skip=True)


def test_a_bad_row_as_text() -> None:
    assert str(BadRow(source="r.jsonl:3", field="answer", reason="is x")) == (
        "r.jsonl:3: answer: is x"
    )


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
