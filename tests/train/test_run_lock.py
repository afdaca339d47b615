"""One process at a time: others are told who holds the folder, and the dead hold nothing."""

import errno
import os
import signal
import time
from pathlib import Path

import pytest
from filelock import FileLock

from coterie.io import WriteError
from coterie.train.run_directory import RunDirectory
from coterie.train.run_lock import lock_run
from tests.forks import forked, status


def hold(directory: RunDirectory, ready: Path) -> None:
    with lock_run(directory, "training"):
        ready.touch()
        time.sleep(60)


def test_the_holder_is_named_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    directory, ready = RunDirectory(tmp_path / "run"), tmp_path / "ready"
    child = forked(lambda: hold(directory, ready))
    try:
        while not ready.exists():
            time.sleep(0.01)
        said = rf"run is in use: process {child} runs training in it since 20.*give another folder"
        with pytest.raises(ValueError, match=said), lock_run(directory, "training"):
            pass
        with lock_run(directory, "evaluation"):  # writes other files
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        assert status(child) == -signal.SIGKILL
    with lock_run(directory, "training"):
        assert directory.lock_file("training").is_file()
    with lock_run(directory, "training"):
        pass


def test_what_else_could_be_given_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    said = r"Read-only file system\. Give a folder by --to that this user may write to, or change"
    with pytest.raises(WriteError, match=said):
        lock_run(RunDirectory(tmp_path), "evaluation", place="a folder by --to").__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="cannot be written: Permission denied"):
        lock_run(RunDirectory(tmp_path), "evaluation").__enter__()
