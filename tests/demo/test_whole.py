import hashlib
from pathlib import Path

import pytest

from coterie.io import commit, compute_sha256, make_scratch_dir


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
