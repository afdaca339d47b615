"""Parquet files at random access."""

import os
import random
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data.dataset import RowError
from coterie.data.sources import arrow_copy
from coterie.data.sources.huggingface import load_from_disk
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


def test_a_file_replaced_with_its_size_and_time_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "r.parquet", [{"a": "old"}])
    before = path.stat()
    assert ParquetSource(path)[0] == {"a": "old"}
    write(path, [{"a": "new"}])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert ParquetSource(path)[0] == {"a": "new"}


def test_class_labels_are_names(tmp_path: Path) -> None:
    label = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features(
        {
            "answer": label,
            "many": datasets.Sequence(label),
            "boxes": datasets.Sequence({"label": label, "x": datasets.Value("int32")}),
            "inner": {"label": label},
        }
    )
    row = {
        "answer": 1, "many": [0, 1], "boxes": {"label": [1], "x": [3]}, "inner": {"label": 0}
    }  # fmt: skip
    unknown = {"answer": -1, "many": [], "boxes": {"label": [], "x": []}, "inner": {"label": None}}
    made = datasets.Dataset.from_list([row, unknown], features=features)
    made.to_parquet(tmp_path / "r.parquet")
    made.save_to_disk(tmp_path / "saved")
    for source in (
        ParquetSource(tmp_path / "r.parquet"), load_from_disk(tmp_path / "saved", split="train")
    ):  # fmt: skip
        first, second = source[0], source[1]
        assert first["answer"] == "dog" and first["many"] == ["cat", "dog"]
        assert first["inner"] == {"label": "cat"} and first["boxes"] in (
            {"label": ["dog"], "x": [3]}, [{"label": "dog", "x": 3}]
        )  # fmt: skip
        assert second["answer"] is None and second["inner"] == {"label": None}


def test_a_column_that_comes_twice(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "r.parquet")
    with pytest.raises(ValueError, match=r"r\.parquet has the column 'a' 2 times: keep one"):
        ParquetSource(tmp_path / "r.parquet")


def test_numbers_of_32_bits(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([0.1, None], pa.float32())})
    pq.write_table(table, tmp_path / "r.parquet")
    rows = ParquetSource(tmp_path / "r.parquet")
    assert rows[0] == {"a": 0.1} and rows[1] == {"a": None}


def test_values_that_python_does_not_have(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([2**62], pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "r.parquet")
    with pytest.raises(RowError, match="row: cannot be read"):
        ParquetSource(tmp_path / "r.parquet")[0]


def test_a_large_value_is_unpacked_in_a_process_of_its_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(arrow_copy, "SAFE_CHUNK_BYTES", 1000)
    path = write(tmp_path / "r.parquet", [{"a": "x" * 3000}, {"a": "y"}])
    assert ParquetSource(path)[1] == {"a": "y"}


@pytest.mark.slow
def test_a_value_of_gigabytes(tmp_path: Path) -> None:
    # 700 MB of one letter, which take 60 kB in the file and two copies in memory.
    path = write(tmp_path / "r.parquet", [{"a": "x" * 700_000_000}], compression="zstd")
    with pytest.raises(ValueError, match=r"needs more than 1610612736 bytes of memory"):
        ParquetSource(path)
