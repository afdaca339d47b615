"""Comments that switch a check off for a line or a file: noqa, type: ignore, pyright: ..."""

import re
from collections.abc import Iterable

from structure.source import SourceFile

SUPPRESSION = re.compile(r"#\s*(?:(?:ruff|flake8):\s*)?(noqa|type:\s*ignore|pyright:)")


def find_suppressions(files: Iterable[SourceFile]) -> tuple[tuple[str, str], ...]:
    """("path:line", sort) of each; two in one comment are two.

    Sorts are "noqa", "type: ignore" and "pyright". Rules that a configuration file switches off
    for some files are not counted.
    """
    return tuple(
        (f"{file.path}:{number}", _sort(match.group(1)))
        for file in files
        for number, comment in file.comments
        for match in SUPPRESSION.finditer(comment)
    )


def _sort(found: str) -> str:
    return "type: ignore" if found.startswith("type") else found.rstrip(":")
