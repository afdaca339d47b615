"""Rows that the model cannot take are bad rows of the split that they are in."""

from pathlib import Path

import pytest

from coterie.data.dataset import RowError
from coterie.data.sample_check import SampleCheck
from coterie.data.sources.jsonl import JsonlSource
from coterie.data.subset import SPLIT_PARTS
from coterie.data.validation import RowReader, ValidatedDataset
from tests.data.files import jsonl, png


class RefuseOdd(SampleCheck):
    def count_tokens(self, sample) -> int:
        number = int(sample.answers[0])
        if number % 2:
            raise RowError("row", "is odd")
        return number


def read(path: Path, rows: list, **options) -> ValidatedDataset:
    source = JsonlSource(jsonl(path / "r.jsonl", rows))
    return ValidatedDataset(source, RowReader(task="t"), check_media=False, **options)


def test_refused_rows_are_left_out_after_the_split(tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "answer": i} for i in range(20)]
    bad = 0
    for part in SPLIT_PARTS.values():
        whole = read(tmp_path, rows, part=part)
        numbers = [int(sample.answers[0]) for sample in whole]
        kept = read(tmp_path, rows, part=part, sample_check=RefuseOdd())
        # the same split as without the check, less its odd rows
        assert [int(sample.answers[0]) for sample in kept] == [n for n in numbers if n % 2 == 0]
        assert list(kept.token_counts) == [n for n in numbers if n % 2 == 0]
        assert not whole.token_counts and not whole.bad_rows
        bad += len(kept.bad_rows)
    assert bad == 10


def test_bad_rows_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": 1}, {"question": "q"}, {"question": "q", "answer": 3}]
    found = read(tmp_path, rows, sample_check=RefuseOdd())
    assert [row.source for row in found.bad_rows] == ["r.jsonl:1", "r.jsonl:2", "r.jsonl:3"]
    assert len(found) == 0


def test_too_few_rows_for_the_splits_name_task_file_and_bad_rows(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": 1}, {"question": "q"}]
    with pytest.raises(ValueError, match=r"^task 't', r\.jsonl: 1 different rows cannot") as error:
        read(tmp_path, rows, part="train")
    assert str(error.value).splitlines()[1].startswith("  r.jsonl:2: answer: is missing")


def test_notices(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    rows = [
        {"question": "q", "answer": 1, "id": 3},
        {"image": "a.png", "question": "q", "answer": 1},
    ]
    assert read(tmp_path, rows).list_notices() == [
        "task 't', r.jsonl: columns that are not read: id",
        "task 't', r.jsonl: 1 of 2 rows have no picture or sound, and the others have",
    ]
    assert read(tmp_path, [{"question": "q", "answer": 1}] * 2).list_notices() == []
