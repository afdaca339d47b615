"""Parquet files at random access."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data.sources.parquet import ParquetSource
from coterie.data.validation import RowReader, ValidatedDataset
from tests.data.files import png


def write(path: Path, rows: list[dict], **options) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def test_rows_of_many_groups(tmp_path: Path, cache: Path) -> None:
    path = write(tmp_path / "r.parquet", [{"a": i} for i in range(5000)], row_group_size=300)
    rows = ParquetSource(path)
    assert len(rows) == 5000 and [rows[i]["a"] for i in (4999, 0, 301)] == [4999, 0, 301]
    assert rows.describe_row(1) == "r.parquet:2" and rows.folder == tmp_path
    (copy,) = (cache / "rows").iterdir()
    before = copy.stat().st_mtime_ns
    ParquetSource(path)
    assert copy.stat().st_mtime_ns == before  # not copied again


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    ParquetSource(write(tmp_path / "r.parquet", [{"a": 1}]))
    assert ParquetSource(write(tmp_path / "r.parquet", [{"a": 2}, {"a": 3}]))[1] == {"a": 3}


def test_media_as_paths_bytes_and_structs(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png("blue"))
    asked = {"question": "?", "answer": "b"}
    for image in ("a.png", png("blue"), {"bytes": png("blue"), "path": "no.png"}):
        path = write(tmp_path / "r.parquet", [{"image": image, **asked}])
        (sample,) = ValidatedDataset(ParquetSource(path), RowReader(task="t"), check_media=True)
        assert sample.get_media()[0].load().getpixel((0, 0)) == (0, 0, 255)
    path = write(tmp_path / "r.parquet", [{"image": {"bytes": None, "path": "a.png"}, **asked}])
    (sample,) = ValidatedDataset(ParquetSource(path), RowReader(task="t"), check_media=True)
    assert sample.get_media()[0].path == tmp_path / "a.png"


def test_messages(tmp_path: Path) -> None:
    parts = [
        {"type": "image", "text": None},
        {"type": "text", "text": "What?"},
    ]
    turns = [{"role": "user", "content": parts}]
    said = [{"role": "assistant", "content": [{"type": "text", "text": "this"}]}]
    row = {"messages": turns + said, "images": [{"bytes": png(), "path": None}]}
    path = write(tmp_path / "r.parquet", [row])
    rows = ValidatedDataset(ParquetSource(path), RowReader(task="t"), check_media=True)
    assert rows.bad_rows == () and rows[0].answers == ("this",) and len(rows[0].get_media()) == 1


def test_bad_rows_are_named(tmp_path: Path) -> None:
    rows = [{"question": "a", "answer": "b"}, {"question": None, "answer": "b"}]
    found = ValidatedDataset(
        ParquetSource(write(tmp_path / "r.parquet", rows)), RowReader(task="t"), check_media=True
    )
    assert len(found) == 1 and [str(bad).split(": ")[:2] for bad in found.bad_rows] == [
        ["r.parquet:2", "question"]
    ]


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_are_one_clear_line(tmp_path: Path, cache: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = write(tmp_path / "r.parquet", [{"a": rng.random()} for _ in range(500)])
    content = path.read_bytes()
    damaged = [
        b"",
        content[: len(content) // 2],  # truncated
        content[4:],
        b"PAR1" + rng.randbytes(100) + b"PAR1",
        content[:20] + rng.randbytes(200) + content[220:],  # the data, not the footer
        b'{"a": 1}\n',
    ][seed]
    path.write_bytes(damaged)
    with pytest.raises(
        ValueError, match=r"r\.parquet is no Parquet file that can be read"
    ) as error:
        ParquetSource(path)
    assert "\n" not in str(error.value)
    assert not list((cache / "rows").iterdir())  # nothing half made is left
