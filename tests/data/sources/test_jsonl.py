"""Lines of JSONL files at random access."""

import pickle
import tracemalloc
from pathlib import Path

import pytest

from coterie.data.dataset import RowError
from coterie.data.sources import jsonl
from coterie.data.sources.jsonl import JsonlSource


def source(path: Path, content: bytes) -> JsonlSource:
    (path / "r.jsonl").write_bytes(content)
    return JsonlSource(path / "r.jsonl")


def test_rows_are_named_by_line_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    rows = source(tmp_path, b'\n{"a": 1}\r\n  \t\n{"a": "\xc3\xa9"}')
    assert len(rows) == 2 and rows[0] == {"a": 1} and rows[1] == {"a": "\u00e9"}
    assert [rows.describe_row(i) for i in range(2)] == ["r.jsonl:2", "r.jsonl:4"]
    assert rows.folder == tmp_path


def test_a_byte_order_mark_may_open_the_file(tmp_path: Path) -> None:
    assert source(tmp_path, b'\xef\xbb\xbf{"a": 1}\n')[0] == {"a": 1}


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_where_chunks_end_does_not_matter(tmp_path: Path, monkeypatch, chunk: int) -> None:
    monkeypatch.setattr(jsonl, "CHUNK_BYTES", chunk)
    rows = source(tmp_path, b'{"a": 1}\n\n   \n {"a": 22}\n{"a": 333}   ')
    assert [rows[i]["a"] for i in range(len(rows))] == [1, 22, 333]
    assert [rows.describe_row(i) for i in range(3)] == ["r.jsonl:1", "r.jsonl:4", "r.jsonl:5"]


def test_an_over_long_line_does_not_hide_the_next(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_ROW_BYTES", 20)
    rows = source(tmp_path, b'{"a": "' + b"x" * 20 + b'"}\n{"a": 2}\n')
    with pytest.raises(RowError, match=r"row: the line has 30 bytes: at most 20 are read"):
        rows[0]
    assert rows[1] == {"a": 2}


def test_two_hundred_thousand_rows_take_little_memory(tmp_path: Path) -> None:
    line = b'{"question": "%06d", "answer": "' + b"x" * 100 + b'"}\n'
    (tmp_path / "r.jsonl").write_bytes(b"".join(line % i for i in range(200_000)))  # 27 MB
    tracemalloc.start()
    rows = JsonlSource(tmp_path / "r.jsonl")
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 200_000 and rows[123_456]["question"] == "123456"
    assert now < 5e6 and peak < 10e6  # 16 bytes a row, and a chunk


def test_it_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(source(tmp_path, b'{"a": 1}')))[0] == {"a": 1}


def test_a_file_that_has_changed_is_not_read_wrong(tmp_path: Path) -> None:
    rows = source(tmp_path, b'{"a": 1}\n{"a": 2}\n')
    (tmp_path / "r.jsonl").write_bytes(b'{"a": 10}\n{"a": 2}\n')
    with pytest.raises(ValueError, match=r"r\.jsonl has changed since it was checked: start again"):
        rows[1]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.jsonl cannot be read: No such file"):
        JsonlSource(tmp_path / "x.jsonl")


@pytest.mark.parametrize("content", [b'[{"a": 1}]', b'{\n"a": 1\n}\n', b'[\n{"a": 1}]'])
def test_json_that_is_no_jsonl(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RowError, match=r"; write each row in a line of its own, or all as one li"):
        source(tmp_path, content)[0]
