"""Rows told good or bad, in files of one kind."""

import pickle
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from coterie.data import validation
from coterie.data.dataset import BadRow
from coterie.data.sample import MediaFile
from coterie.data.sources.jsonl import JsonlSource
from coterie.data.subset import SPLIT_PARTS
from coterie.data.validation import RowReader, ValidatedDataset, raise_for_bad_rows
from tests.data.files import jsonl, png


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
    monkeypatch.setattr(validation, "CHUNK_SIZE", 2)
    monkeypatch.setattr(validation.os, "cpu_count", lambda: 3)
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
