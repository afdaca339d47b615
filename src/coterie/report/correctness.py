"""Which text answers are right: by the task's metric on one sample, else by comparing text."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coterie.report.formatting import format_number, is_number
from coterie.report.systems import RunFiles
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks


@dataclass(frozen=True, kw_only=True)
class Grader:
    """Marks answers to one task.

    Attributes:
        metric: scores one sample's statistics; None compares texts.
        threshold: what the score must reach (or, where lower is better, not pass) to be right.
        rule: what right means, in words.
    """

    metric: Any
    threshold: float
    rule: str

    @classmethod
    def from_predictions(cls, metric_text: Any, rows: Sequence[Mapping[str, Any]]) -> "Grader":
        """Make the grader of a task from its metric in the scores file and its predictions' rows.

        Where the metric gives each answer all or nothing, all is right; where it gives degrees,
        the better half is.
        """
        metric = parse_metric_or_none(metric_text)
        scores = sorted(filter(math.isfinite, (compute_sample_score(metric, row) for row in rows)))
        if not scores:
            rule = "right is the wanted text, letter case aside"
            return cls(metric=None, threshold=1.0, rule=rule)
        unit, better = metric.unit, metric.higher_is_better
        name = describe_metric(metric_text)
        if unit == "%" and set(scores) <= {0.0, 100.0}:
            limit, rule = (100.0 if better else 0.0), f"right or wrong by {name}"
        else:
            limit, side = scores[len(scores) // 2], "at least" if better else "at most"
            bound = f"{side} {format_number(limit, unit)} {unit}".rstrip()
            rule = f"the better half by {name} ({bound}) counts as right"
        return cls(metric=metric, threshold=limit, rule=rule)

    def is_right(self, row: Mapping[str, Any]) -> bool:
        """Whether a row's prediction is right."""
        score = self.compute_score(row)
        if self.metric is None or self.metric.higher_is_better:
            return score >= self.threshold
        return score <= self.threshold

    def compute_score(self, row: Mapping[str, Any]) -> float:
        """Compute the row's score; NaN, which is never right, if it has none.

        By text 1 or 0, letter case and outer spaces aside.
        """
        if self.metric is not None:
            return compute_sample_score(self.metric, row)
        accepted = {str(each).strip().casefold() for each in get_answers(row)}
        return float(str(row.get("prediction", "")).strip().casefold() in accepted)

    def format_mark(self, row: Mapping[str, Any]) -> str:
        """Return "right" or "wrong", or the score where the metric gives degrees."""
        word = "right" if self.is_right(row) else "wrong"
        if self.metric is None or self.threshold in (0.0, 100.0):
            return word
        unit = self.metric.unit
        return f"scored {format_number(self.compute_score(row), unit)} {unit}".strip()


def parse_metric_or_none(text: Any) -> Any:
    """Parse a metric as tasks.yaml writes it; None if there is none such, or no score at all."""
    from coterie import metrics

    if not isinstance(text, str | Mapping):
        return None
    try:
        return metrics.parse_metric(text)
    except ValueError:
        return None


def describe_metric(text: Any) -> str:
    """Describe a metric in words.

    Of one that has no name in tasks.yaml, all fields; other text is unchanged.
    """
    if metric := parse_metric_or_none(text):
        name = metric.get_name()
        odd = ", ".join(f"{item} {value}" for item, value in metric.list_settings().items())
    elif found := re.fullmatch(r"(\w+)(?:\(([\w=., ']*)\))?", str(text)):
        name, odd = found[1], (found[2] or "").replace("=", " ").replace("'", "")
    else:
        return str(text)
    return name.replace("_", " ") + (f" ({odd})" if odd else "")


def compute_sample_score(metric: Any, row: Mapping[str, Any]) -> float:
    """Compute the metric's score of one sample; NaN where it has none."""
    statistics = row.get("statistics")
    if metric is None or not isinstance(statistics, list) or not all(map(is_number, statistics)):
        return math.nan
    try:
        return float(metric.score(np.asarray(statistics, dtype=np.float64)))
    except (ValueError, IndexError):  # statistics of an older version of the metric
        return math.nan


def get_answers(row: Mapping[str, Any]) -> Sequence[Any]:
    """Return the accepted answers of a row."""
    found = row.get("answers", ())
    return found if isinstance(found, list | tuple) else (found,)


def find_samples(run: RunFiles, task: str, wanted: Mapping[int, str]) -> dict[str, Any]:
    """Return source -> the sample there, for those that are found.

    Args:
        run: its configuration says where the data is.
        task: the task's name.
        wanted: index in the predictions -> source. Predictions have the order of the data, so
            that index is tried first; all rows are read only where rows have moved since.

    Raises ValueError if the data is not there any more.
    """
    found = find_text_task(run, task)
    if found is None:
        raise ValueError(
            f"the configuration of {run.directory.folder.name} has no data of task {task!r}"
        )
    rows = found.read_samples(run.split, skip_bad_rows=True, check_media=False)
    sources = set(wanted.values())
    near = (rows[place] for place in wanted if place < len(rows))
    samples = {row.source: row for row in near}
    if not sources <= samples.keys():
        samples |= {row.source: row for row in rows if row.source in sources}
    return samples


def find_text_task(run: RunFiles, task: str) -> TextTask | None:
    """Return the text task of that name in the run's configuration; None if there is none."""
    tasks = None if run.config is None else run.config.tasks
    listed = tasks.tasks if isinstance(tasks, TextTasks) else ()
    return next((each for each in listed if each.name == task), None)


def find_rows_folders(run: RunFiles, task: str) -> tuple[Path, ...]:
    """Return the folders of a task's rows in the split that was scored; none for rows elsewhere."""
    found = find_text_task(run, task)
    try:
        given = () if found is None else found.get_path(run.split)
    except ValueError:  # there is no such split
        return ()
    paths = [Path(each) for each in ([given] if isinstance(given, str) else given)]
    # Of a pattern, the folder before it.
    return tuple(path if path.is_dir() else path.parent for path in paths
                 if path.exists() or path.parent.is_dir())  # fmt: skip
