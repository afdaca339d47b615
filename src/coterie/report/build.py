"""`report`: reads runs, computes what is shown, and writes the page."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.report.comparison import Comparison, best, sharpened, versus
from coterie.report.conflict import build_conflict_section
from coterie.report.cost import COST_COLUMNS, build_costs
from coterie.report.curves import build_curves
from coterie.report.dense_examples import build_examples
from coterie.report.experts import build_usage_sections
from coterie.report.html import render
from coterie.report.interval_chart import build_charts
from coterie.report.provenance import collect_facts
from coterie.report.run_files import read_mapping
from coterie.report.scores import board
from coterie.report.summary import summarize
from coterie.report.systems import ReportSystem, group_systems, select_baseline
from coterie.report.text_examples import build_answers_section

REPORT_FILE = "report.html"
BASELINE_RECIPES = ("shared_lora", "single_task")


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
    found = group_systems(runs)
    base = select_baseline(found)
    against, gaps = versus(found, base) if base else (None, ())
    subject = select_highlighted_system(found, base, against)
    scores = board(found, subject)
    scores = sharpened(scores, against) if against else scores
    measured = build_conflict_section(found, load_conflict(conflict))
    maps, map_gaps = build_usage_sections(found)
    text = render(
        title=title or " vs. ".join(each.name for each in found),
        systems=found,
        subject=subject,
        verdict=summarize(scores, subject, against, measured.measurements),
        board=scores,
        best=[best(row, found, against) for row in scores.rows],
        versus=against,
        single=compare_to_single_task(found, base),
        versus_gaps=gaps,
        panels=build_charts(scores),
        conflicts=measured,
        experts=maps,
        expert_gaps=map_gaps,
        curves=build_curves(found),
        costs=build_costs(found),
        quantities=COST_COLUMNS,
        answers=build_answers_section(found, subject),
        examples=build_examples(found, subject),
        facts=collect_facts(found),
        command=command,
    )
    return write(Path(out), text)


def select_highlighted_system(
    found: tuple[ReportSystem, ...], base: ReportSystem | None, against: Comparison | None
) -> ReportSystem:
    """The system that the verdict is about: the mixture with the highest delta_m, else the last."""
    mixtures = [s for s in found if s != base and s.recipe_name not in BASELINE_RECIPES]
    mixtures = mixtures or [s for s in found if s != base] or list(found)
    known = [s for s in mixtures if against and s.name in against.delta_m]
    if against is None or not known:
        return mixtures[-1]
    return max(known, key=lambda each: against.delta_m[each.name].value)


def compare_to_single_task(
    found: tuple[ReportSystem, ...], base: ReportSystem | None
) -> Comparison | None:
    """All against the single-task models, where there are any and they are not the baseline."""
    alone = next((each for each in found if each.is_single_task), None)
    return versus(found, alone)[0] if alone is not None and alone != base else None


def load_conflict(conflict: Any) -> Mapping[str, Any] | None:
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
    out = out / REPORT_FILE if out.is_dir() else out
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return out
