"""`SequenceTable`: scores after each step of sequences of tasks, with transfer and forgetting."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coterie.evaluate.formatting import format_interval, format_markdown_table
from coterie.evaluate.intervals import Interval
from coterie.evaluate.table import TaskColumn
from coterie.evaluate.table_files import check_table_file, format_csv
from coterie.io import write, write_json

MEASURES = {
    "average": "average",
    "learned": "right after its step",
    "forgetting": "forgetting",
    "backward_transfer": "backward transfer",
    "forward_transfer": "forward transfer",
}
"""Measure -> its title in a table."""


@dataclass(frozen=True, kw_only=True)
class SequenceStep:
    """A step of a sequence.

    Attributes:
        name: of its run's folder.
        trained: the tasks that it was the first to train.
        tasks: task -> score after it, a row of the step x task matrix; tasks to come, too, where
            they were evaluated.
        average: mean over the tasks trained so far; None where their units differ.
        forgetting: of the tasks of the steps before, the mean; None for the first step.
    """

    name: str
    trained: tuple[str, ...]
    tasks: Mapping[str, Interval]
    average: Interval | None = None
    forgetting: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure of `MEASURES` after the last step.

    Attributes:
        tasks: task -> its value, of the tasks for which the measure is defined.
        mean: over these; None where their units differ.
        difference: the mean minus that of the baseline, paired; None without a baseline.
    """

    tasks: Mapping[str, Interval]
    mean: Interval | None = None
    difference: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class SequenceRow:
    """One way to learn the tasks; `measures` has those of `MEASURES` that are known."""

    system: str
    seeds: tuple[int, ...]
    steps: tuple[SequenceStep, ...]
    measures: Mapping[str, Measure]


@dataclass(frozen=True, kw_only=True)
class SequenceTable:
    """The result of `coterie.measure_forgetting`; an interval is of 95 %, NaN where undefined.

    Attributes:
        columns: the tasks, in the order in which they were trained.
        rows: the sequences, the baseline first.
        baseline: its name, or None.
        notes: caveats about the numbers.
    """

    split: str
    columns: tuple[TaskColumn, ...]
    rows: tuple[SequenceRow, ...]
    baseline: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def summary(self) -> str:
        """A sentence for each sequence: its average at the end, and how much it forgets."""
        parts = []
        for row in self.rows:
            average, lost = (row.measures.get(name) for name in ("average", "forgetting"))
            if average and lost and average.mean is not None and lost.mean is not None:
                parts.append(
                    f"{row.system}: average {format_interval(average.mean)} after the last step, "
                    f"forgetting {format_interval(lost.mean, sign=True)}."
                )
        return " ".join(parts)

    def _repr_markdown_(self) -> str:
        """Show the table in a notebook."""
        return self.to_markdown()

    def __repr__(self) -> str:
        """Format the names alone: numbers are in `to_markdown`."""
        systems = ", ".join(row.system for row in self.rows)
        return f"SequenceTable(split={self.split!r}: {systems} on {len(self.columns)} tasks)"

    def to_markdown(self) -> str:
        """Return the summary, a step x task matrix for each sequence, and their measures."""
        notes = "\n".join(f"- {note}" for note in self.notes)
        matrices = (self._format_matrix(row) for row in self.rows)
        parts = (self.summary, *matrices, *self._format_measures(), notes)
        return "\n\n".join(part for part in parts if part) + "\n"

    def dump(self) -> dict[str, Any]:
        """Return the table as JSON values; an interval is {"value", "low", "high"}."""
        columns = [asdict(column) for column in self.columns]
        return _dump_intervals(vars(self) | {"columns": columns, "summary": self.summary})

    def save(self, path: str | Path) -> Path:
        """Write the table to a .md, .csv or .json file, in that format; return the file."""
        path = check_table_file(path)
        match path.suffix.lower():
            case ".md":
                return write(path, self.to_markdown())
            case ".csv":
                lines = [_flatten(row) for row in self.rows]
                return write(path, format_csv(lines, [row.system for row in self.rows]))
            case _:
                return write_json(path, self.dump())

    def _format_matrix(self, row: SequenceRow) -> str:
        """Format the scores after each step, and below them the measures of each task."""
        names = [column.name for column in self.columns]
        lines = [
            [
                f"{step.name} ({', '.join(step.trained)})" if step.trained else step.name,
                *(format_interval(step.tasks.get(name)) for name in names),
                format_interval(step.average), format_interval(step.forgetting, sign=True),
            ]
            for step in row.steps
        ]  # fmt: skip
        for measure, title in MEASURES.items():
            if measure in row.measures and measure != "average":
                found, signed = row.measures[measure], measure != "learned"
                cells = [*map(found.tasks.get, names), found.mean]
                lines.append([title, *(format_interval(c, sign=signed) for c in cells), ""])
        head = [f"{row.system}: after", *map(_describe, self.columns)]
        return format_markdown_table([*head, "mean of learned", "forgetting"], lines)

    def _format_measures(self) -> list[str]:
        shown = [n for n in MEASURES if any(n in row.measures for row in self.rows)]
        parts = []
        for key, first in (("mean", "after the last step"), ("difference", "")):
            lines = []
            for row in self.rows:
                found = [getattr(row.measures.get(name), key, None) for name in shown]
                cells = [format_interval(each, sign=key == "difference") for each in found]
                lines += [[row.system, *cells]] if any(found) else []
            head = [first or f"minus {self.baseline}", *(MEASURES[name] for name in shown)]
            parts += [format_markdown_table(head, lines)] if lines else []
        return parts


def _describe(column: TaskColumn) -> str:
    unit = f", {column.unit}" if column.unit else ""
    return f"{column.name}{unit}{'' if column.higher_is_better else ' (lower is better)'}"


def _flatten(row: SequenceRow) -> dict[tuple[str, str], float | int | None]:
    """Return the numbers of a line of a .csv file: the matrix, and each measure by task."""
    cells = {f"{each.name}_{task}": cell for each in row.steps for task, cell in each.tasks.items()}
    for name, measure in row.measures.items():
        cells |= {f"{name}_{task}": cell for task, cell in measure.tasks.items()}
        cells |= {name: measure.mean} if measure.mean is not None else {}
        cells |= {f"{name}_difference": measure.difference} if measure.difference else {}
    return {(name, part): x for name, cell in cells.items() for part, x in cell._asdict().items()}


def _dump_intervals(value: Any) -> Any:
    match value:
        case Interval():
            return value._asdict()
        case Mapping():
            return {key: _dump_intervals(each) for key, each in value.items()}
        case list() | tuple():
            return [_dump_intervals(each) for each in value]
        case SequenceRow() | SequenceStep() | Measure():
            return {key: _dump_intervals(each) for key, each in vars(value).items()}
        case _:
            return value
