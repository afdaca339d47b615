"""`lock_run`: one process at a time writes into a run's folder."""

import datetime
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from coterie import distributed
from coterie.io import explain_write_errors, write
from coterie.train.run_directory import RunDirectory

WAIT_S = 6.0
"""Worker processes of a killed training hold its lock until they notice, every 5 seconds."""


@contextmanager
def lock_run(directory: RunDirectory, work: str, *, place: str = "a folder") -> Iterator[None]:
    """Hold the folder's lock of `work`, such as "train", within the block.

    The system releases the lock of a process that ended, however it ended. Of several processes
    all must enter, and rank 0 holds it. `place` is as in `explain_write_errors`.

    Raises ValueError, which names the process that holds it.
    """
    file = directory.lock_file(work)
    lock = FileLock(file)
    distributed.run_on_rank_zero(partial(_acquire, lock, file, work, place))
    try:
        yield
    finally:
        if lock.is_locked:
            get_holder_file(file).unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, file: Path, work: str, place: str) -> None:
    folder, holder = file.parent, get_holder_file(file)
    with explain_write_errors(folder, place=place):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if _is_running(holder) or not _try_again(lock):
                raise ValueError(
                    f"{folder} is in use: {_describe(holder)}. Wait until it ends, stop it, or "
                    "give another folder"
                ) from None
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        facts = {"pid": os.getpid(), "machine": platform.node(), "work": work, "since": started}
        write(holder, json.dumps(facts))


def get_holder_file(lock_file: Path) -> Path:
    """Return the file that says who holds a lock."""
    return lock_file.with_name(lock_file.name + ".json")


def _try_again(lock: FileLock) -> bool:
    with suppress(Timeout):
        lock.acquire(timeout=WAIT_S)
    return lock.is_locked


def _is_running(holder: Path) -> bool:
    """Return whether the process that is noted runs; True if it cannot be known from here."""
    try:
        facts = json.loads(holder.read_text(encoding="utf-8"))
        if facts["machine"] != platform.node():
            return True
        os.kill(facts["pid"], 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return True


def _describe(holder: Path) -> str:
    try:
        facts = json.loads(holder.read_text(encoding="utf-8"))
        machine = "" if facts["machine"] == platform.node() else f" on {facts['machine']}"
        return f"process {facts['pid']}{machine} runs {facts['work']} in it since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process writes in it"
