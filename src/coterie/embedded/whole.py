"""A file or a folder that is there whole or not at all: made beside its place, then renamed."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def make_scratch_dir(target: Path) -> Iterator[Path]:
    """An empty folder on the same disk as `target`, gone afterwards; one process at a time.

    What a killed process left there is removed first. Whoever waited must look again whether
    `target` was made meanwhile.
    """
    scratch = target.parent / f".{target.name}.partial"
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def commit(made: Path, target: Path) -> None:
    """Renames `made`, once its bytes are on the disk: a power cut leaves no half of it."""
    for file in made.rglob("*") if made.is_dir() else [made]:
        if file.is_file():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
    made.replace(target)


def compute_sha256(file: Path) -> str:
    """Of the file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
