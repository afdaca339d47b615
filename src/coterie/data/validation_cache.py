"""Validation on all cores, and caches of its results in earlier runs: valid for unchanged files."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from coterie.data.dataset import RowError
from coterie.data.sample import MediaFile
from coterie.modalities.limits import read_media_limits
from coterie.paths import make_cache_dir

CHUNK_SIZE = 32
"""Number of rows per work item of a thread."""
Found = TypeVar("Found")


class ValidationCache:
    """Keys of valid items, each with a number, stored in coterie's cache folder.

    A line is "key" or "key:number", the number being 0 where there is none: 33 bytes and more. If
    the folder is not writable, everything is validated again in the next run.
    """

    def __init__(self, file_name: str) -> None:
        try:
            self.cache_file = make_cache_dir() / file_name
        except ValueError:
            self.cache_file = None
        self.valid: dict[str, int] = {}
        if self.cache_file is not None and self.cache_file.exists():
            lines = self.cache_file.read_text(encoding="ascii", errors="replace").split()
            found = (line.partition(":") for line in lines)
            self.valid |= {
                key: int(count or 0) for key, _, count in found if (count or "0").isdigit()
            }
        self.newly_valid: list[str] = []

    def check(self, key: str, read: Callable[[], object]) -> None:
        """Call `read` unless the key is known; add the key, for `save`, if it raises nothing."""
        self.count(key, lambda: (read(), 0)[1])

    def count(self, key: str, compute: Callable[[], int]) -> int:
        """Return the number of a key; if it is unknown, compute it and add it, for `save`."""
        if key not in self.valid:
            number = compute()
            self.valid[key] = number
            self.newly_valid.append(f"{key}:{number}" if number else key)
        return self.valid[key]

    def save(self) -> None:
        """Append the new keys to the file, if there is room."""
        if self.newly_valid and self.cache_file is not None:
            # On a full disk the next run validates again.
            with suppress(OSError), self.cache_file.open("a", encoding="ascii") as file:
                file.write("".join(f"{line}\n" for line in self.newly_valid))
            self.newly_valid.clear()


class DecodeCache:
    """A cache that decodes each media file once while its size and times are unchanged."""

    def __init__(self) -> None:
        self.cache = ValidationCache("checked.txt")
        self.limits = read_media_limits()  # a wrong one is refused before any row is
        self.errors: dict[str, str] = {}

    def check(self, media: MediaFile, field: str) -> None:
        """Raise RowError if `media` cannot be decoded."""
        # The bytes, or each file's path, size and times.
        files = [frame.path for frame in media.frames] or [media.path]
        known = [make_file_stamp(path) for path in files if path is not None]
        stamp = "|".join(known) if len(known) == len(files) else media.compute_digest()
        key = make_key(f"{media.kind}|{self.limits}|{stamp}")
        if key not in self.errors:
            try:
                self.cache.check(key, media.load)
            except ValueError as error:
                self.errors[key] = str(error)
        if key in self.errors:
            raise RowError(field, self.errors[key])


def check_all(
    check: Callable[[int], Found], count: int, cache: ValidationCache | None
) -> Iterator[Found]:
    """Yield `check` of each of `count` rows in order; files are read on all cores."""
    threads = os.cpu_count() or 1
    window = CHUNK_SIZE * threads * 4  # `pool.map` queues its entire input at once
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, count, window):
            rows = range(start, min(start + window, count))
            chunks = [rows[i : i + CHUNK_SIZE] for i in range(0, len(rows), CHUNK_SIZE)]
            for chunk in pool.map(lambda rows: list(map(check, rows)), chunks):
                yield from chunk
            if cache is not None:
                cache.save()  # so that an interrupted validation resumes here


def make_key(text: str) -> str:
    """Hash an identifying text to 32 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def make_file_stamp(path: Path) -> str:
    """Return path, size, times and number of a file as text.

    Of its times, that of its status changes whenever it is written; `cp -p` and `rsync -t` keep
    the other.
    """
    try:
        stat = path.stat()
    except OSError:
        return str(path)
    times = f"{stat.st_mtime_ns}|{stat.st_ctime_ns}"
    return f"{path.resolve()}|{stat.st_size}|{times}|{stat.st_ino}"
