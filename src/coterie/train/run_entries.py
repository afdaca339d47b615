"""`check_entries`: a run's folder holds plain files and folders of its own, whoever sent it."""

import os
import stat
from pathlib import Path

MAX_BYTES = {".json": 2**28, ".jsonl": 2**32, ".md": 2**24}
"""Ending -> the size of the largest file that is read; a sparse one takes no space on the disk."""


def check_entries(folder: Path) -> None:
    """Raise ValueError for an entry of a run's folder that leads out of it or cannot be read.

    Verbs write into the folders of runs, which may come from anyone: a link there would have them
    write elsewhere, and a pipe or a device has no end.
    """
    if not folder.is_dir():
        return
    root = folder.resolve()
    for place, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(place, name)
            if problem := find_entry_problem(path, root):
                raise ValueError(f"{folder / path.relative_to(root)} {problem}")


def find_entry_problem(path: Path, root: Path) -> str:
    """Return what is wrong with an entry of the folder `root`, and what to do; "" for nothing."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            target = path.resolve()
            if not target.is_relative_to(root):
                return (
                    f"is a link to {target}, outside of the run's folder, and is not followed: put "
                    "what it points to in its place, or remove it"
                )
            status = path.stat() if path.exists() else status
    except FileNotFoundError:  # another process has just removed it
        return ""
    except (OSError, RuntimeError) as error:  # a link to itself
        return f"cannot be read: {error}"
    kind = status.st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)):
        return "is no file but a pipe, a socket or a device: remove it"
    most = MAX_BYTES.get(path.suffix)
    if stat.S_ISREG(kind) and most is not None and status.st_size > most:
        return f"has {status.st_size:,} bytes: at most {most:,} are read"
    return ""
