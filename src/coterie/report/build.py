"""`report`: read runs, compare them, and write the page."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.io import write
from coterie.report.context import ReportContext
from coterie.report.html import render
from coterie.report.systems import group_systems
from coterie.train.run_directory import RunDirectory

REPORT_FILE = "report.html"


def report(
    runs: Any,
    *,
    out: str | Path,
    title: str | None = None,
    conflict: Any = None,
    command: str | None = None,
) -> Path:
    """Write one self-contained HTML page about one run or several systems; return the file.

    The page needs no network and no scripts. It shows what the runs' folders hold; for what is
    missing it has a line with the command that writes it.

    Args:
        runs: a run or its folder; or a mapping from the name of a system to its runs: several
            seeds, or one run for each task. At most 12 systems. The baseline is the first system
            whose recipe has the role "baseline", else the first system.
        out: the file to write, or a folder, for report.html in it.
        title: the page's title; None for the systems' names.
        conflict: the measurement before training: what `coterie.diagnose` returned, its dump, or
            the file it was saved to.
        command: the command line that wrote the page, shown as it is.

    Raises ValueError for no runs, a folder that is not a run, a `conflict` that is not there.
    """
    systems = group_systems(runs)
    context = ReportContext(
        systems=systems, conflict_before=load_conflict(conflict), command=command
    )
    out = Path(out)
    file = out / REPORT_FILE if out.is_dir() else out
    return write(file, render(context, title or " vs. ".join(each.name for each in systems)))


def load_conflict(conflict: Any) -> Mapping[str, Any] | None:
    """Return a measurement as its file holds it. Raises ValueError for a file without one."""
    if conflict is None or isinstance(conflict, Mapping):
        return conflict
    if not isinstance(conflict, str | os.PathLike):
        return conflict.dump()
    file = Path(conflict)
    data = RunDirectory(file.parent).try_read_mapping(file)
    if not data:
        raise ValueError(
            f"conflict={str(conflict)!r} holds no measurement: give the file that "
            "`coterie diagnose` wrote, or leave it out"
        )
    return data
