"""Rows as prompts and answers, as the tests of their formats read them."""

from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.row_formats import detect_format


def read(row: dict[str, Any], folder: Path, **columns: Any) -> list[Any]:
    """Turns as (role, parts), media by the names of their files; and answers."""
    found = detect_format(row).parse(row, Columns(**columns), folder)
    return [
        (
            [
                (turn.role, [p if isinstance(p, str) else p.path.name for p in turn.parts])
                for turn in turns
            ],
            answers,
        )
        for turns, answers in found
    ]
