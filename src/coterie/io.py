"""Files that are written whole or not at all, and JSON of numbers that may not be finite."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock


def write(path: Path, text: str) -> Path:
    """Puts `text` in the file's place at once, so that a kill leaves the old file or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text.removesuffix("\n") + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def write_json(path: Path, data: Any) -> Path:
    """`write` of JSON; numbers that are not finite become null, which JSON can hold."""
    text = json.dumps(replace_non_finite(data), indent=2, ensure_ascii=False, allow_nan=False)
    return write(path, text)


def read_json(path: Path) -> Any:
    """The JSON in a file. Raises ValueError, naming the file, if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): remove it and evaluate again") from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Read the objects of a JSON lines file; none if there is no file.

    Lines that hold no object, such as the one that a kill cut off, are left out.
    """
    found = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return found
    for line in text.split("\n"):  # not splitlines: JSON may hold U+2028
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            found.append(row)
    return found


def replace_non_finite(data: Any) -> Any:
    """`data` with None for every number that is not finite, and lists for tuples."""
    match data:
        case float() if not math.isfinite(data):
            return None
        case Mapping():
            return {key: replace_non_finite(value) for key, value in data.items()}
        case list() | tuple():
            return [replace_non_finite(value) for value in data]
    return data


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
