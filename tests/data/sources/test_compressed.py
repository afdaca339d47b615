"""Compressed files of rows, and bombs."""

import bz2
import gzip
import lzma
from pathlib import Path

import pyarrow as pa
import pytest

from coterie.data.sources import compressed
from coterie.data.sources.opening import open_rows

LINES = b'{"a": 1}\n{"a": 2}\n'


def zstd(content: bytes) -> bytes:
    return pa.Codec("zstd").compress(content, asbytes=True)


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}


@pytest.mark.parametrize("ending", PACKERS)
def test_rows(tmp_path: Path, cache: Path, ending: str) -> None:
    path = tmp_path / f"r.jsonl.{ending}"
    path.write_bytes(PACKERS[ending](LINES))
    rows = open_rows(path, split="train")
    assert [rows[i] for i in range(2)] == [{"a": 1}, {"a": 2}] and rows.folder == tmp_path
    assert rows.describe_row(1) == f"r.jsonl.{ending}:2"
    (copy,) = (cache / "rows").iterdir()
    before = copy.stat().st_mtime_ns
    open_rows(path, split="train")
    assert copy.stat().st_mtime_ns == before  # not unpacked again


@pytest.mark.parametrize("name", ["r.json.gz", "r.csv.gz", "r.CSV.GZ", "r.tsv.xz"])
def test_kinds(tmp_path: Path, name: str) -> None:
    content = b'[{"a": "1"}]' if "json" in name else b"a\n1\n"
    (tmp_path / name).write_bytes(PACKERS[name.rpartition(".")[2].lower()](content))
    assert open_rows(tmp_path / name, split="train")[0] == {"a": "1"}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("damage", [lambda x: x[: len(x) // 2], lambda x: b"no" + x, lambda x: b""])
def test_damaged_files(tmp_path: Path, cache: Path, ending: str, damage) -> None:
    path = tmp_path / f"r.jsonl.{ending}"
    path.write_bytes(damage(PACKERS[ending](LINES * 1000)))
    with pytest.raises(ValueError, match=rf"r\.jsonl\.{ending} cannot be unpacked"):
        open_rows(path, split="train")
    assert not list(cache.rglob("*.part"))  # nothing half made is left


@pytest.mark.parametrize("ending", PACKERS)
def test_a_bomb(tmp_path: Path, cache: Path, monkeypatch, ending: str) -> None:
    monkeypatch.setattr(compressed, "FREE_BYTES", 2**20)
    path = tmp_path / f"r.jsonl.{ending}"
    path.write_bytes(PACKERS[ending](bytes(2**24)))
    with pytest.raises(ValueError, match=r"unpacks to more than \d+ bytes, 200 times its size"):
        open_rows(path, split="train")
    assert not list((cache / "rows").iterdir())
