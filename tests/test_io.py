"""Files that are whole or not there."""

from pathlib import Path

import pytest

from coterie.io import read_json, write, write_json


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
