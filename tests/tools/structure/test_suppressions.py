"""Comments that count as suppressions."""

from pathlib import Path

from structure.suppressions import find_suppressions

from tests.tools.packages import read

TEXT = '''\
"""Says # noqa in a docstring."""
# ruff: noqa: E501
import os  # noqa: F401
x: int = "#  type: ignore"
y: int = ""  # type: ignore[assignment]  # pyright: ignore
# pyright: basic
z = 1  # fmt: skip
'''


def test_each_is_counted_and_strings_are_not(tmp_path: Path) -> None:
    found = find_suppressions(read(tmp_path, {"a.py": TEXT}))
    assert [(place.split(":")[1], sort) for place, sort in found] == [
        ("2", "noqa"),
        ("3", "noqa"),
        ("5", "type: ignore"),
        ("5", "pyright"),
        ("6", "pyright"),
    ]
