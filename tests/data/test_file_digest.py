"""Digests of rows and weights: what changes them, and what does not."""

import hashlib
from pathlib import Path

import pytest

from coterie.data import file_digest
from coterie.data.file_digest import compute_file_digest, compute_rows_digest, compute_sha256


def test_a_large_file_is_known_by_its_size_and_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_digest, "WHOLE_BYTES", 8)
    monkeypatch.setattr(file_digest, "PARTS", 3)
    monkeypatch.setattr(file_digest, "PART_BYTES", 2)
    file = tmp_path / "weights"
    file.write_bytes(b"0123456789")
    # Parts of 2 bytes at 0, 4 and 8: "01", "45", "89".
    first = compute_file_digest(file)
    for content, is_same in ((b"01xx45xx89", True), (b"0123x56789", False), (b"01234567", False)):
        file.write_bytes(content)
        assert (compute_file_digest(file) == first) is is_same


def test_rows_in_files_folders_and_patterns(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "rows.jsonl").write_text("{}")
    (folder / "a.png").write_bytes(b"123")
    places = {"file": folder / "rows.jsonl", "folder": folder, "pattern": folder / "*.jsonl"}
    before = {name: compute_rows_digest(str(place)) for name, place in places.items()}
    assert all(before.values()) and compute_rows_digest("hf:a/b") == ""
    assert compute_rows_digest(str(tmp_path / "none")) == ""
    moved = folder.rename(tmp_path / "two")
    assert compute_rows_digest(str(moved)) == before["folder"]
    assert compute_rows_digest(str(moved / "*.jsonl")) == before["pattern"]
    (moved / "a.png").write_bytes(b"1234")
    assert compute_rows_digest(str(moved)) != before["folder"]
    (moved / "rows.jsonl").write_text("[]")
    assert compute_rows_digest(str(moved / "rows.jsonl")) != before["file"]


def test_sha256_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0abc")
    assert compute_sha256(tmp_path / "x") == hashlib.sha256(b"\0abc").hexdigest()
