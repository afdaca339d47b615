"""Files and folders that are written atomically."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from coterie.io import (
    WriteError,
    append_line,
    commit,
    explain_write_errors,
    make_scratch_dir,
    read_json,
    read_text,
    save_tensors,
    write,
    write_json,
    write_with,
)


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def get_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_appears_whole_with_its_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    file = write(tmp_path / "new" / "a.txt", "one\n")
    write(file, "two\n")
    assert file.read_text() == "two\n" and list(file.parent.iterdir()) == [file]


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    data = {"a": [float("nan"), 1.5], "b": (float("inf"), 2)}
    found = read_json(write_json(tmp_path / "a.json", data))
    assert found == {"a": [None, 1.5], "b": [None, 2]}


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ValueError, match=r"a\.json is damaged .*: remove it and evaluate again"):
        read_json(tmp_path / "a.json")


def test_what_is_made_beside_appears_at_once(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    with make_scratch_dir(target) as scratch:
        assert scratch.parent == target.parent
        (scratch / "made").mkdir()
        (scratch / "made" / "x").write_text("1")
        assert not target.exists()
        commit(scratch / "made", target)
    assert (target / "x").read_text() == "1"
    assert not scratch.exists()


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "b"
    with pytest.raises(RuntimeError), make_scratch_dir(target) as scratch:
        (scratch / "half").write_text("1")
        raise RuntimeError
    assert not target.exists()
    assert not scratch.exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = r"file/b/c cannot be written: a component of the path is no folder\. Give another"
    with pytest.raises(WriteError, match=said), make_scratch_dir(tmp_path / "file" / "b" / "c"):
        pass
    said = r"/b cannot be written: No space left on device\. Make room and run it again"
    with pytest.raises(WriteError, match=said), make_scratch_dir(tmp_path / "b"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_killed_process_left_is_removed_first(tmp_path: Path) -> None:
    target = tmp_path / "b"
    with make_scratch_dir(target) as scratch:
        left = scratch
    left.mkdir()
    (left / "half").write_text("1")
    with make_scratch_dir(target) as scratch:
        assert list(scratch.iterdir()) == []


def test_a_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    commit(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    file = write(tmp_path / "a", "old")

    def fill(opened: object) -> None:
        raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        write_with(file, fill)
    assert file.read_text() == "old\n" and list(tmp_path.iterdir()) == [file]


def test_a_link_in_the_place_of_the_unfinished_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f"a.{os.getpid()}.partial").symlink_to(victim)
    write(tmp_path / "a", "new")
    assert victim.read_text() == "mine"


def test_files_and_folders_have_the_modes_of_the_umask(tmp_path: Path, umask: None) -> None:
    # Under 027 new files are 640, and new folders 750.
    save_tensors({"x": torch.ones(1)}, tmp_path / "x.safetensors")
    made = tmp_path / "made"
    made.mkdir(mode=0o700)
    for name, mode in (("hidden", 0o600), ("program", 0o700)):
        (made / name).touch(mode=mode)
    commit(made, tmp_path / "target")
    assert get_mode(tmp_path / "x.safetensors") == 0o640
    assert get_mode(tmp_path / "target") == 0o750
    assert get_mode(tmp_path / "target" / "hidden") == 0o640
    assert get_mode(tmp_path / "target" / "program") == 0o740  # run by its owner alone, as before


def test_bytes_and_names_are_on_the_disk_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def note(opened: int) -> None:
        order.append(f"{Path(os.readlink(f'/proc/self/fd/{opened}')).name}")
        order.append(str((tmp_path / "b").exists()))

    monkeypatch.setattr(os, "fsync", note)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    commit(tmp_path / "a", tmp_path / "b")
    assert order == ["x", "False", "a", "False", tmp_path.name, "True"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "x"), "No space left on device. Make room and run it again"),
        (SafetensorError("I/O error: Disk quota exceeded (os error 122)"), "Disk quota exceeded. "),
        (PermissionError(errno.EROFS, "x"), "Read-only file system. Give a folder that this user"),
    ],
)
def test_what_cannot_be_written_is_named_with_its_cause(
    tmp_path: Path, error: Exception, said: str
) -> None:
    with pytest.raises(WriteError) as caught, explain_write_errors(tmp_path / "a"):
        raise error
    assert str(caught.value).startswith(f"{tmp_path}/a cannot be written: {said}")


def test_other_errors_pass(tmp_path: Path) -> None:
    elsewhere = FileNotFoundError(errno.ENOENT, "No such file", "/elsewhere/rows")
    for error in (elsewhere, SafetensorError("header too small")):
        with pytest.raises(type(error)) as caught, explain_write_errors(tmp_path / "a"):
            raise error
        assert caught.value is error


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    for place in (write, append_line):
        with pytest.raises(WriteError, match=r"a cannot be written: Is a directory"):
            (tmp_path / "a").mkdir(exist_ok=True)
            place(tmp_path / "a", "x")


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        WriteError, match=r"the name a{40}\.\.\. in it has 300 bytes, and disks take"
    ):
        write(tmp_path / ("a" * 300), "")
    with pytest.raises(ValueError, match=r"cannot be read: File name too long; the name a{40}"):
        read_text(tmp_path / ("a" * 300))
