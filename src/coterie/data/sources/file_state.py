"""`FileState`: what tells that a file is the one that was indexed."""

import os
from pathlib import Path
from typing import NamedTuple

from coterie.io import check_regular_file


class FileState(NamedTuple):
    """Size, times and number of a file; `cp -p` and `rsync -t` keep the time of modification."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "FileState":
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def read_state(path: Path) -> FileState:
    """Return a file's state. Raises ValueError if it cannot be read, or is a pipe or device."""
    try:
        return FileState.of(check_regular_file(path))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


def check_state(path: Path, opened: int, state: FileState) -> None:
    """Raise ValueError if an opened file, by its descriptor, is not as it was."""
    if FileState.of(os.fstat(opened)) != state:
        raise ValueError(f"{path} has changed since it was checked: start again")
