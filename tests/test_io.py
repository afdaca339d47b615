"""Files and folders that are written atomically."""

import hashlib
from pathlib import Path

import pytest

from coterie.io import (
    commit,
    compute_sha256,
    make_scratch_dir,
    read_json,
    write,
    write_json,
)


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


def test_sha256_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0abc")
    assert compute_sha256(tmp_path / "x") == hashlib.sha256(b"\0abc").hexdigest()
