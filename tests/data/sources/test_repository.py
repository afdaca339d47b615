"""Folders of files of rows, patterns and lists."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data.sources.opening import open_rows
from coterie.data.sources.repository import get_file_split
from tests.data.files import jsonl, png


def shard(folder: Path, split: str, number: int, count: int, *values: int) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    table = pa.table({"a": list(values)})
    pq.write_table(table, folder / f"{split}-{number:05}-of-{count:05}.parquet")


def read(path, split: str = "train") -> list[int]:
    rows = open_rows(path, split=split)
    return [rows[i]["a"] for i in range(len(rows))]


@pytest.fixture
def cloned(tmp_path: Path) -> Path:
    """As `git clone` of a data set on the hub leaves it."""
    folder = tmp_path / "repo"
    shard(folder / "data", "train", 0, 2, 1, 2)
    shard(folder / "data", "train", 1, 2, 3)
    shard(folder / "data", "validation", 0, 1, 4)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / ".gitattributes").write_text("*.parquet filter=lfs")
    (folder / "dataset_infos.json").write_text("{}")
    return folder


def test_a_cloned_repository(cloned: Path) -> None:
    rows = open_rows(cloned, split="train")
    assert read(cloned) == [1, 2, 3] and rows.is_split
    assert rows.describe_row(2) == "train-00001-of-00002.parquet:1"
    assert read(cloned, "validation") == [4]
    with pytest.raises(ValueError, match=r"repo has no split 'test': it has train, validation"):
        read(cloned, "test")


def test_parts_that_are_missing(cloned: Path) -> None:
    (cloned / "data" / "train-00001-of-00002.parquet").unlink()
    for path in (cloned, cloned / "data" / "train-*.parquet"):
        with pytest.raises(ValueError, match=r"data has 1 of the 2 parts of train: fetch the rest"):
            read(path)


def test_patterns_and_lists(cloned: Path) -> None:
    data = cloned / "data"
    assert read(data / "train-*.parquet") == [1, 2, 3]
    assert read(cloned / "**" / "*.parquet") == [1, 2, 3, 4]
    assert read([str(data / "validation-*"), data / "train-00000-of-00002.parquet"]) == [4, 1, 2]
    with pytest.raises(ValueError, match=r"test-\*: no file matches this pattern"):
        read(data / "test-*")
    with pytest.raises(ValueError, match="rows are an empty list"):
        read([])
    (data / "x[1].parquet").write_bytes((data / "train-00001-of-00002.parquet").read_bytes())
    assert read(data / "x[1].parquet") == [3]  # a name, not a pattern


def test_a_part_keeps_its_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        jsonl(tmp_path / name / "r.jsonl", [{"a": 1}])
    rows = open_rows(tmp_path / "*" / "r.jsonl", split="train")
    assert [rows.get_folder(i).name for i in range(2)] == ["a", "b"]
    rows.media_root = tmp_path
    assert rows.get_folder(1) == tmp_path


def test_one_split_is_shared_out(tmp_path: Path) -> None:
    shard(tmp_path / "data", "train", 0, 1, 1)
    rows = open_rows(tmp_path, split="validation")
    assert not rows.is_split and len(rows) == 1


@pytest.mark.parametrize(
    "path, split",
    [
        ("data/train-00000-of-00002.parquet", "train"), ("test.csv", "test"),
        ("my_dev_set.jsonl", "validation"), ("val/0000.parquet", "validation"),
        ("trained.jsonl", ""), ("rows.jsonl.gz", ""),
        ("test_hard-00000-of-00001.parquet", "test_hard"),
    ],
)  # fmt: skip
def test_splits_by_name(path: str, split: str) -> None:
    assert get_file_split(Path(path)) == split


def test_files_that_are_unclear(tmp_path: Path) -> None:
    for name in ("train.jsonl", "test.jsonl", "more.jsonl"):
        jsonl(tmp_path / name, [{"a": 1}])
    with pytest.raises(ValueError, match=r"splits test, train, and more\.jsonl, whose name tells"):
        read(tmp_path)
    (tmp_path / "more.jsonl").unlink()
    (tmp_path / "train.csv").write_text("a\n1\n")
    with pytest.raises(ValueError, match=r"files of several kinds, train\.csv, train\.jsonl"):
        read(tmp_path)


def test_several_data_sets(tmp_path: Path) -> None:
    for name in ("easy", "hard"):
        shard(tmp_path / name, "train", 0, 1, 1)
    with pytest.raises(ValueError, match=r"has several data sets, easy, hard: name one, as .*easy"):
        read(tmp_path)
    (tmp_path / "hard" / "a.png").write_bytes(png())  # a folder of media
    assert read(tmp_path) == [1]


def test_a_pointer_of_git_lfs(cloned: Path) -> None:
    path = cloned / "data" / "validation-00000-of-00001.parquet"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(ValueError, match=r"is a pointer of Git LFS, .*git lfs pull"):
        read(cloned, "validation")


def test_pipes_and_devices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r.jsonl")
    (tmp_path / "z.csv").symlink_to("/dev/zero")
    for name in ("r.jsonl", "z.csv"):
        with pytest.raises(ValueError, match="cannot be read: it is no regular file"):
            read(tmp_path / name)
