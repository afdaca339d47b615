"""Digests of files, by which a run notices that its rows or its base model were replaced."""

import hashlib
import os
from collections.abc import Iterable
from glob import glob
from pathlib import Path

WHOLE_BYTES = 64 * 2**20
"""Of a larger file only parts are read: a base model's weights take minutes to read."""
PARTS, PART_BYTES = 256, 64 * 2**10
ROW_SUFFIXES = (
    ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".gz", ".zst"
)  # fmt: skip
"""Of files that hold rows; others in a folder are taken to be pictures and sounds."""


def compute_sha256(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compute_file_digest(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes; of a large file of its size and 256 parts of it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        for part in range(PARTS):
            file.seek(part * (size - PART_BYTES) // (PARTS - 1))
            digest.update(file.read(PART_BYTES))
    return digest.hexdigest()


def compute_rows_digest(place: str) -> str:
    """Compute the digest of the rows at a path, a pattern or a hub id; empty if it cannot be.

    Of the pictures and sounds in a folder the names and sizes count.
    """
    if place.startswith("hf:"):
        return ""
    path = Path(place)
    if not path.exists():
        files = sorted(map(Path, glob(place, recursive=True)))
        return compute_files_digest(files, root=path.parent) if files else ""
    if path.is_file():
        return compute_file_digest(path)
    files = [each for each in path.rglob("*") if each.is_file()]
    rows = [each for each in files if each.suffix in ROW_SUFFIXES]
    content = compute_files_digest(rows, root=path)
    return content + compute_names_digest(set(files).difference(rows), root=path)


def compute_files_digest(files: Iterable[Path], *, root: Path) -> str:
    """Compute the digest of files by their names below `root`."""
    digest = hashlib.sha256()
    for file in sorted(files):
        name = os.path.relpath(file, root)
        digest.update(f"{name} {compute_file_digest(file)}\n".encode())
    return digest.hexdigest()


def compute_names_digest(files: Iterable[Path], *, root: Path) -> str:
    """Compute the digest of files' names below `root` and their sizes."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{os.path.relpath(file, root)} {file.stat().st_size}\n".encode())
    return digest.hexdigest()
