"""The files that a table is written to: their endings, and comma-separated values."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path


def check_table_file(path: str | Path) -> Path:
    """Return the path of a file that a table can be written to. Raises ValueError for another."""
    path = Path(path).expanduser()
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file, such as {path / 'table.md'}")
    if path.suffix.lower() not in (".md", ".csv", ".json"):
        raise ValueError(
            f"{path}: a table is written as .md (Markdown), .csv or .json: name such a file"
        )
    return path


def format_csv(
    lines: Sequence[Mapping[tuple[str, str], float | int | None]], systems: Sequence[str]
) -> str:
    """Format a line of numbers for each system as comma-separated values, with a header.

    A column is named for both parts of its key, such as ocr_low. Numbers have all their digits.
    """
    rows = [
        {"system": system} | {"_".join(name): value for name, value in line.items()}
        for system, line in zip(systems, lines, strict=True)
    ]
    held = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(held, list(names) or ["system"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return held.getvalue()
