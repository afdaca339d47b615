"""What each line of a file is."""

from pathlib import Path

from structure.source import count_lines

from tests.tools.packages import read

TEXT = '''\
"""Two lines
of docstring."""

import os  # code, with a comment
from sys import (
    path,
)

# a comment
X = """a string
of two lines"""
"""What X is."""
'''


def test_lines_are_told_apart(tmp_path: Path) -> None:
    _, file = read(tmp_path, {"a.py": TEXT})
    assert file.path == "src/coterie/a.py" and file.module == "coterie.a"
    assert file.num_lines == 12
    assert file.docstring_lines == {1, 2, 12}
    assert file.import_lines == {4, 5, 6, 7}
    assert file.code_lines == {4, 5, 6, 7, 10, 11}
    assert file.comments == ((4, "# code, with a comment"), (9, "# a comment"))
    assert count_lines((tmp_path / "src").rglob("*.py")) == 12  # and an empty __init__.py


def test_a_package_is_named_for_its_folder(tmp_path: Path) -> None:
    files = read(tmp_path, {"a/b.py": ""})
    assert [file.module for file in files] == ["coterie", "coterie.a", "coterie.a.b"]
    assert [file.is_package for file in files] == [True, True, False]
