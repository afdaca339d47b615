"""Which source a path is."""

import gzip
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data.sources.folder import FolderSource
from coterie.data.sources.huggingface import DatasetSource
from coterie.data.sources.jsonl import JsonlSource
from coterie.data.sources.opening import open_rows
from coterie.data.sources.parquet import ParquetSource
from tests.data.files import jsonl, png


def test_the_path_tells(tmp_path: Path) -> None:
    jsonl(tmp_path / "r.jsonl", [{"a": 1}])
    pq.write_table(pa.table({"a": [1]}), tmp_path / "r.parquet")
    datasets.Dataset.from_dict({"a": [1]}).save_to_disk(tmp_path / "saved")
    (tmp_path / "media" / "cat").mkdir(parents=True)
    (tmp_path / "media" / "cat" / "a.png").write_bytes(png())
    for name, kind in {
        "r.jsonl": JsonlSource,
        "r.parquet": ParquetSource,
        "saved": DatasetSource,
        "media": FolderSource,
    }.items():
        found = open_rows(tmp_path / name, split="train")
        assert type(found) is kind and len(found) == 1


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.jsonl: there is no such file or folder"):
        open_rows(tmp_path / "x.jsonl", split="train")
    for name, message in {
        "r.xlsx": r"r\.xlsx: give a file that ends in .*\.csv.*\.jsonl.*\.gz, .*a folder",
        "r.json": r"r\.json is cut off: 1 brackets are not closed",
    }.items():
        (tmp_path / name).write_text("[")
        with pytest.raises(ValueError, match=message):
            open_rows(tmp_path / name, split="train")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["a.jsonl", "./a.jsonl"], r"a\.jsonl is twice in the list of files: its rows would count"),
        (["a.jsonl", "*.jsonl"], r"a\.jsonl is twice in the list of files: "),
        (
            ["link.jsonl", "a.jsonl"],
            r"a\.jsonl is twice in the list of files, also as .*link\.jsonl",
        ),
        ("*.jsonl", r"link\.jsonl is twice in the list of files, also as .*a\.jsonl"),
    ],
)
def test_a_file_that_is_there_twice(tmp_path: Path, paths: str | list[str], message: str) -> None:
    jsonl(tmp_path / "a.jsonl", [{"a": 1}])
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    listed = [paths] if isinstance(paths, str) else paths
    places = [tmp_path / each for each in listed]
    with pytest.raises(ValueError, match=message):
        open_rows(places[0] if isinstance(paths, str) else places, split="train")


def test_packed_files_under_other_names(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(gzip.compress(b"q,a\n"))
    with pytest.raises(ValueError, match=r"r\.csv is a \.gz file by its first bytes: rename it"):
        open_rows(tmp_path / "r.csv", split="train")
    (tmp_path / "r.jsonl").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"r\.jsonl is a \.zip file .*: unpack it"):
        open_rows(tmp_path / "r.jsonl", split="train")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "r.json")
    with pytest.raises(ValueError, match=r"rename it to end in \.parquet"):
        open_rows(tmp_path / "r.json", split="train")


def test_a_json_of_metadata_beside_files_of_rows_is_none(tmp_path: Path) -> None:
    jsonl(tmp_path / "train.jsonl", [{"question": "q", "answer": "a"}])
    (tmp_path / "metadata.json").write_text('{"licence": "MIT"}')
    assert open_rows(tmp_path, split="train")[0] == {"question": "q", "answer": "a"}
