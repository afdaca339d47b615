"""Which source a path is."""

from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data import sources
from coterie.data.sources.huggingface import DatasetSource
from tests.data.files import jsonl, png


def test_the_path_tells(tmp_path: Path) -> None:
    jsonl(tmp_path / "r.jsonl", [{"a": 1}])
    pq.write_table(pa.table({"a": [1]}), tmp_path / "r.parquet")
    datasets.Dataset.from_dict({"a": [1]}).save_to_disk(tmp_path / "saved")
    (tmp_path / "media" / "cat").mkdir(parents=True)
    (tmp_path / "media" / "cat" / "a.png").write_bytes(png())
    for name, kind in {
        "r.jsonl": sources.JsonlSource,
        "r.parquet": sources.ParquetSource,
        "saved": DatasetSource,
        "media": sources.FolderSource,
    }.items():
        found = sources.open_rows(tmp_path / name, split="train")
        assert type(found) is kind and len(found) == 1


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.jsonl: there is no such file or folder"):
        sources.open_rows(tmp_path / "x.jsonl", split="train")
    for name, message in {
        "r.json": r"r\.json is JSON: write one object a line, as `jq -c '\.\[\]' r.json > r",
        "r.csv": r"r\.csv: give a \.jsonl or \.parquet file, a folder",
    }.items():
        (tmp_path / name).write_text("[]")
        with pytest.raises(ValueError, match=message):
            sources.open_rows(tmp_path / name, split="train")
