"""A file that could not be written is told before anything is computed."""

from pathlib import Path

import pytest

from coterie.cli.output_file import check_writable
from coterie.io import WriteError


def test_its_folder_is_created(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "c.json")
    assert (tmp_path / "new").is_dir() and not [*(tmp_path / "new").iterdir()]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").touch()
    said = r"in-the-way/c\.json cannot be written: "
    with pytest.raises(WriteError, match=said):
        check_writable(tmp_path / "in-the-way" / "c.json")
