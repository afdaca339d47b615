"""Files that list the rows that a run skipped, and why."""

import json
from collections.abc import Iterable
from pathlib import Path

from coterie.data.dataset import BadRow
from coterie.io import write


def write_bad_rows(path: Path, bad: Iterable[BadRow]) -> tuple[BadRow, ...]:
    """Write skipped rows, each once, and return them; remove the file if there are none."""
    once = tuple(dict.fromkeys(bad))
    if once:
        write(path, "\n".join(json.dumps(vars(row)) for row in once))
    else:
        path.unlink(missing_ok=True)
    return once


def read_bad_rows(path: Path) -> tuple[BadRow, ...]:
    """Read what `write_bad_rows` wrote; empty if there is no file."""
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(BadRow(**json.loads(line)) for line in lines)


def format_summary_line(bad: tuple[BadRow, ...], file: str | Path) -> str:
    """Return how many rows were skipped and the file that lists them; empty for none."""
    many = f"{len(bad)} bad row{'s' if len(bad) > 1 else ''}"
    return f"left out {many}, named in {file}" if bad else ""
