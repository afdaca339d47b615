"""The file of the rows that a run left out, and why."""

import json
from collections.abc import Iterable
from pathlib import Path

from coterie.data.dataset import BadRow
from coterie.io import write


def write_bad_rows(path: Path, bad: Iterable[BadRow]) -> tuple[BadRow, ...]:
    """Writes rows that were left out, each once, and returns them; no file where there are none."""
    once = tuple(dict.fromkeys(bad))
    if once:
        write(path, "\n".join(json.dumps(vars(row)) for row in once))
    else:
        path.unlink(missing_ok=True)
    return once


def read_bad_rows(path: Path) -> tuple[BadRow, ...]:
    """What `note` has written; nothing if there is no file."""
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(BadRow(**json.loads(line)) for line in lines)


def format_summary_line(bad: tuple[BadRow, ...], file: str | Path) -> str:
    """How many were left out, and where they are named; empty where there are none."""
    many = f"{len(bad)} bad row{'s' if len(bad) > 1 else ''}"
    return f"left out {many}, named in {file}" if bad else ""
