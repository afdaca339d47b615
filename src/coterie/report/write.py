"""`report`: reads runs, computes what is shown, and writes the page."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.report.answers import answers
from coterie.report.conflict import conflicts
from coterie.report.cost import QUANTITIES, costs
from coterie.report.curves import curves
from coterie.report.dots import panels
from coterie.report.examples import examples
from coterie.report.experts import experts
from coterie.report.folder import read_mapping
from coterie.report.page import render
from coterie.report.provenance import facts
from coterie.report.scores import board
from coterie.report.systems import System, baseline, systems
from coterie.report.verdict import verdict
from coterie.report.versus import Versus, best, sharpened, versus

FILE = "report.html"
PLAIN = ("shared_lora", "single_task")


def report(
    runs: Any,
    *,
    out: str | Path,
    title: str | None = None,
    conflict: Any = None,
    command: str | None = None,
) -> Path:
    """Writes one self-contained HTML page about one run or several systems; returns the file.

    The page needs no network and no scripts, and holds whatever the runs' folders have; what is
    missing is said in a line, with the command that would make it.

    Args:
        runs: a run or its folder; or a mapping from the name of a system to its runs: several
            seeds, or one run a task. At most 12 systems. Where one of them was trained with the
            recipe `shared_lora`, it is the baseline; on dense tasks, where one is a run a task,
            that is; else the first is.
        out: the file to write, or a folder, for report.html in it.
        title: the page's; None makes one of the systems' names.
        conflict: the measurement before training: what `coterie.diagnose` gave, its dump, or the
            file it was saved to.
        command: the command line that led here, shown as it is.

    Raises ValueError for no runs, a folder that is no run, a `conflict` that is not there.
    """
    found = systems(runs)
    base = baseline(found)
    against, gaps = versus(found, base) if base else (None, ())
    subject = subject_of(found, base, against)
    scores = board(found, subject)
    scores = sharpened(scores, against) if against else scores
    measured = conflicts(found, before(conflict))
    maps, map_gaps = experts(found)
    text = render(
        title=title or " vs. ".join(each.name for each in found),
        systems=found,
        subject=subject,
        verdict=verdict(scores, subject, against, measured.shown),
        board=scores,
        best=[best(row, found, against) for row in scores.rows],
        versus=against,
        single=single_task(found, base),
        versus_gaps=gaps,
        panels=panels(scores),
        conflicts=measured,
        experts=maps,
        expert_gaps=map_gaps,
        curves=curves(found),
        costs=costs(found),
        quantities=QUANTITIES,
        answers=answers(found, subject),
        examples=examples(found, subject),
        facts=facts(found),
        command=command,
    )
    return write(Path(out), text)


def subject_of(found: tuple[System, ...], base: System | None, against: Versus | None) -> System:
    """The system that the verdict is about: the mixture with the highest delta_m, else the last."""
    mixtures = [s for s in found if s != base and s.recipe_name not in PLAIN]
    mixtures = mixtures or [s for s in found if s != base] or list(found)
    known = [s for s in mixtures if against and s.name in against.overall]
    if against is None or not known:
        return mixtures[-1]
    return max(known, key=lambda each: against.overall[each.name].value)


def single_task(found: tuple[System, ...], base: System | None) -> Versus | None:
    """All against the single-task models, where there are any and they are not the baseline."""
    alone = next((each for each in found if each.is_single_task), None)
    return versus(found, alone)[0] if alone is not None and alone != base else None


def before(conflict: Any) -> Mapping[str, Any] | None:
    """A measurement as its file has it."""
    if conflict is None or isinstance(conflict, Mapping):
        return conflict
    if not isinstance(conflict, str | os.PathLike):
        return conflict.dump()
    data = read_mapping(Path(conflict))
    if not data:
        raise ValueError(
            f"conflict={str(conflict)!r} holds no measurement: give the file that "
            "`coterie diagnose` wrote, or leave it out"
        )
    return data


def write(out: Path, text: str) -> Path:
    """Puts the page in its place at once, so that a kill leaves the old one or the new one."""
    out = out / FILE if out.is_dir() else out
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return out
