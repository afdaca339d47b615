"""Atomic file writes, and JSON of numbers that may not be finite."""

import errno
import hashlib
import json
import math
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock


def write(path: Path, text: str) -> Path:
    """Write `text` atomically: an interrupted process leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    ending = "\n" if text and not text.endswith("\n") else ""
    partial.write_text(text + ending, encoding="utf-8")
    partial.replace(path)
    return path


def write_json(path: Path, data: Any) -> Path:
    """Write JSON atomically; numbers that are not finite become null."""
    text = json.dumps(replace_non_finite(data), indent=2, ensure_ascii=False, allow_nan=False)
    return write(path, text)


def check_regular_file(path: Path) -> os.stat_result:
    """Return the status of a file that exists and is regular; of a link, of what it points to.

    Raises OSError, also for FIFOs and devices, which may give bytes without end, or none.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file, but a device, a pipe or a socket")
    return status


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """Return a file's bytes. Raises OSError, also for a larger file than `max_bytes`."""
    size = check_regular_file(path).st_size
    if size > max_bytes:
        raise OSError(errno.EFBIG, f"it has {size} bytes, and at most {max_bytes} are read")
    with path.open("rb") as file:
        return file.read(max_bytes)


def read_json(path: Path) -> Any:
    """Return the JSON in a file. Raises ValueError, naming the file, if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): remove it and evaluate again") from error


MAX_CONFIG_BYTES = 16 * 2**20
"""Size of a configuration file; that of a run with hundreds of tasks has a hundredth of it."""


def read_text(path: Path, *, max_bytes: int = MAX_CONFIG_BYTES) -> str:
    """Return the UTF-8 text of a file. Raises ValueError, which names it, if it is none."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is no file but a folder, a pipe or a device")
        if status.st_size > max_bytes:
            raise ValueError(f"{path} has {status.st_size:,} bytes: at most {max_bytes:,} are read")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: byte {error.start} is wrong") from None


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON lines file; none if there is no file.

    Lines without an object, such as one that an interruption cut off, are skipped.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = []
    for line in text.split("\n"):  # not splitlines: JSON may hold U+2028
        with suppress(ValueError, RecursionError):
            found.append(json.loads(line))
    return [row for row in found if isinstance(row, dict)]


def replace_non_finite(data: Any) -> Any:
    """Return `data` with None for every number that is not finite, and lists for tuples."""
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
    """Yield an empty folder on the disk of `target`, removed afterwards; one process at a time.

    What an interrupted process left there is removed first. A process that waited must check again
    whether `target` exists.
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
    """Rename `made` to `target` once its bytes are on the disk, so that a power cut is harmless."""
    for file in made.rglob("*") if made.is_dir() else [made]:
        if file.is_file():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
    made.replace(target)


def compute_sha256(file: Path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
