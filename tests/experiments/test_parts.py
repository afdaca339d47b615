"""Units of work that processes share; one that fails is run again."""

from pathlib import Path

import pytest

from experiments.parts import share_work


def test_each_unit_runs_once_and_a_failed_one_again(tmp_path: Path) -> None:
    done: list[str] = []
    units = {"a/x": "first", "b": "second", "c": "third"}

    def fail(unit: str) -> None:
        if unit == "second":
            raise ValueError("stopped")
        done.append(unit)

    with pytest.raises(SystemExit, match="failed: b; "):
        share_work(units, tmp_path / "claims", fail)
    assert done == ["first", "third"]
    share_work(units, tmp_path / "claims", done.append)
    share_work(units, tmp_path / "claims", done.append)
    assert done == ["first", "third", "second"]


def test_a_unit_that_runs_elsewhere_is_left(tmp_path: Path) -> None:
    done: list[str] = []

    def run(unit: str) -> None:
        # As another process would: a lock of another open file is another's.
        share_work({"a": "a", "b": "b"}, tmp_path, done.append)
        done.append(f"outer {unit}")

    share_work({"a": "a"}, tmp_path, run)
    assert done == ["b", "outer a"]


def test_none_is_started_after_the_end(tmp_path: Path) -> None:
    done: list[str] = []
    share_work({"a": "a"}, tmp_path, done.append, until=0.0)
    assert not done
