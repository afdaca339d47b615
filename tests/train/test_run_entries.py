"""Entries of a run's folder that lead out of it."""

import os
from pathlib import Path

import pytest

from coterie.train.run_entries import check_entries


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a link that stays inside, beside a file that is not its own."""
    folder = tmp_path / "run"
    (folder / "predictions" / "test").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    (folder / "latest").symlink_to("predictions")
    (tmp_path / "mine.txt").write_text("mine")
    return folder


def test_plain_files_and_links_inside_are_right(run: Path) -> None:
    check_entries(run)
    check_entries(run / "nothing")
    (run.parent / "alias").symlink_to(run)  # the user's own, to the whole folder
    check_entries(run.parent / "alias")


@pytest.mark.parametrize("name", ["scores.json.partial", "predictions/test/a.jsonl", "log.jsonl"])
@pytest.mark.parametrize("target", ["mine.txt", "not_there_yet"])
def test_links_that_leave_the_folder_are_refused(run: Path, name: str, target: str) -> None:
    (run / name).symlink_to(run.parent / target)
    with pytest.raises(ValueError, match=f"{name} is a link to .*{target}, outside of the run"):
        check_entries(run)


def test_a_linked_folder_is_refused(run: Path) -> None:
    (run / "events").symlink_to("..")
    with pytest.raises(ValueError, match=r"events is a link to .*outside of the run"):
        check_entries(run)


def test_what_has_no_end_is_refused(run: Path) -> None:
    os.mkfifo(run / "scores.json")
    with pytest.raises(ValueError, match=r"scores\.json is no file but a pipe"):
        check_entries(run)
    (run / "scores.json").unlink()
    (run / "loop").symlink_to("loop")
    with pytest.raises(ValueError, match="loop cannot be read"):
        check_entries(run)


def test_a_sparse_file_is_refused_by_its_size(run: Path) -> None:
    with (run / "scores.json").open("wb") as file:
        file.truncate(6 * 2**30)
    with pytest.raises(ValueError, match=r"scores\.json has 6,442,450,944 bytes: at most"):
        check_entries(run)
