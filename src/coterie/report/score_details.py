"""Further numbers of the metrics, such as the value for each nutrient, as rows of a table."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from coterie.report.formatting import is_number
from coterie.report.systems import ReportSystem


class ScoreDetail(NamedTuple):
    """A number of a task's metric: system -> its value, the mean over the system's runs."""

    task: str
    name: str
    values: Mapping[str, float]


def list_score_details(systems: Sequence[ReportSystem]) -> list[ScoreDetail]:
    """List the details of all tasks, in the order of the systems' scores files."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for system in systems:
        for run in system.runs:
            for task, score in run.scores.tasks.items():
                for name, value in score.details.items():
                    by_system = found.setdefault((task, name), {})
                    by_system.setdefault(system.name, []).extend(
                        [value] if is_number(value) else []
                    )
    tasks = dict.fromkeys(task for task, _ in found)
    return [
        ScoreDetail(task, name, {system: fmean(each) for system, each in values.items() if each})
        for wanted in tasks
        for (task, name), values in found.items()
        if task == wanted
    ]
