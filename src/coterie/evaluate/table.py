"""`Table`: scores of several systems with intervals, costs and pairwise comparisons."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coterie.evaluate.formatting import (
    format_cost_table,
    format_interval,
    format_markdown_table,
    format_share,
)
from coterie.evaluate.headline import describe_delta, describe_few_samples, describe_sizes
from coterie.evaluate.intervals import Interval
from coterie.evaluate.table_files import check_table_file, format_csv
from coterie.io import write, write_json
from coterie.optional_imports import import_optional

MIN_SHARE_BETTER = 0.975
"""The share of paired draws from which on one system is called better than another: where the
95 % interval of the difference ends above zero."""


@dataclass(frozen=True, kw_only=True)
class TaskColumn:
    """A task of the table; `metric` is as tasks.yaml writes it."""

    name: str
    metric: str
    unit: str
    higher_is_better: bool
    samples: int

    def orient(self, difference: Interval) -> Interval:
        """Return a difference of two scores turned so that above zero is better."""
        if self.higher_is_better:
            return difference
        # Not -x, which would show a difference of 0 with a sign.
        return Interval(0 - difference.value, 0 - difference.high, 0 - difference.low)


@dataclass(frozen=True, kw_only=True)
class SystemRow:
    """A system of the table.

    Attributes:
        tasks: task -> mean over seeds, with a 95 % interval over samples and seeds.
        delta_m: percent above the baseline, mean over tasks; None without a baseline.
        difference: task -> score minus the baseline's, paired; empty without a baseline.
        cost: means over seeds; of single-task runs, parameters and training time add up.
        control: "" for the runs themselves, or the name of a control.
        control_of: of a control, the system whose runs were evaluated as it.
    """

    system: str
    seeds: tuple[int, ...]
    tasks: Mapping[str, Interval]
    delta_m: Interval | None = None
    difference: Mapping[str, Interval] = field(default_factory=dict)
    cost: Mapping[str, float | int | None] = field(default_factory=dict)
    control: str = ""
    control_of: str = ""

    def flatten(self) -> dict[tuple[str, str], float | int | None]:
        """Return (task, "value", "low" or "high"), likewise delta_m, and ("cost", name)."""
        cells = dict(self.tasks)
        cells |= {f"{task}_difference": cell for task, cell in self.difference.items()}
        cells |= {"delta_m": self.delta_m} if self.delta_m is not None else {}
        numbers: dict[tuple[str, str], float | int | None] = {
            (name, part): value
            for name, cell in cells.items()
            for part, value in cell._asdict().items()
        }
        return numbers | {("cost", name): value for name, value in self.cost.items()}


@dataclass(frozen=True, kw_only=True)
class Table:
    """The result of `coterie.compare`.

    Attributes:
        rows: the systems, the baseline first.
        baseline: its name, or None.
        better: task, or "delta_m", -> A -> B -> share of paired resamples in which A is better.
        notes: caveats about the numbers.
        not_compared: system -> why it has no differences; only in the report.
    """

    split: str
    columns: tuple[TaskColumn, ...]
    rows: tuple[SystemRow, ...]
    baseline: str | None = None
    better: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    not_compared: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The result in a sentence or more: delta_m of each system, and sizes that are not equal.

        Empty without a baseline and with nothing to warn of.
        """
        sizes = self.list_unequal_sizes()
        systems = [row for row in self.rows if not row.control and row.system != self.baseline]
        found = [
            f"{row.system} against {self.baseline}: delta_m {describe_delta(row.delta_m)}"
            for row in systems if row.delta_m is not None
        ]  # fmt: skip
        few = describe_few_samples({column.name: column.samples for column in self.columns})
        warnings = [f"{text[0].upper()}{text[1:]}" for text in (*sizes.values(), few) if text]
        return " ".join(f"{sentence}." for sentence in (*found, *warnings))

    def list_unequal_sizes(self) -> dict[str, str]:
        """Return system -> that it trains more or fewer parameters than the baseline, or the first.

        Systems of about the same size are left out.
        """
        rows = [row for row in self.rows if not row.control]
        if not rows:
            return {}
        first = next((row for row in rows if row.system == self.baseline), rows[0])
        said = {
            row.system: describe_sizes(row.system, row.cost, first.system, first.cost)
            for row in rows if row.system != first.system
        }  # fmt: skip
        return {system: text for system, text in said.items() if text}

    def find_best(self, task: TaskColumn) -> str | None:
        """Return the system that is better than every other on a task; None if none clearly is."""
        scores = {row.system: row.tasks.get(task.name) for row in self.rows if not row.control}
        known = {name: each.value for name, each in scores.items() if each}
        known = {name: value for name, value in known.items() if math.isfinite(value)}
        if len(known) < 2:
            return None
        best = (max if task.higher_is_better else min)(known, key=lambda name: known[name])
        clear = (self.is_clearly_better(task, best, name) for name in known if name != best)
        return best if all(clear) else None

    def is_clearly_better(self, task: TaskColumn, one: str, other: str) -> bool:
        """Return whether a system is better than another in 97.5 % of paired draws.

        For systems that were not scored on the same samples: whether their intervals lie apart.
        """
        share = self.better.get(task.name, {}).get(one, {}).get(other)
        if share is not None:
            return share >= MIN_SHARE_BETTER
        tasks = {row.system: row.tasks for row in self.rows}
        mine, others = tasks[one][task.name], tasks[other][task.name]
        return mine.low > others.high if task.higher_is_better else mine.high < others.low

    def to_pandas(self) -> Any:
        """Return a DataFrame: a line for each system, columns (task, "value" or "low" or "high").

        The last columns are delta_m, if there is a baseline, and ("cost", name). Raises ValueError
        if pandas is not installed.
        """
        pandas = import_optional("pandas", "data")
        return pandas.DataFrame(
            [row.flatten() for row in self.rows],
            index=pandas.Index([row.system for row in self.rows], name="system"),
        )

    def _repr_markdown_(self) -> str:
        """Show the table in a notebook."""
        return self.to_markdown()

    def __repr__(self) -> str:
        """Format the names alone: numbers are in `to_markdown`."""
        systems = ", ".join(row.system for row in self.rows)
        return f"Table(split={self.split!r}: {systems} on {len(self.columns)} tasks)"

    def to_markdown(self) -> str:
        """Return the summary and markdown tables.

        They are scores, differences to the baseline, who is better, and cost.
        """
        parts = [self.summary, self._format_scores()]
        if self.baseline is not None:
            parts += [self._format_differences(), self._format_better()]
        parts.append(format_cost_table({row.system: row.cost for row in self.rows}))
        notes = "\n".join(f"- {note}" for note in self.notes)
        return "\n\n".join(part for part in (*parts, notes) if part) + "\n"

    def dump(self) -> dict[str, Any]:
        """Return the table as JSON values; an interval is {"value", "low", "high"}."""
        rows = [
            asdict(row) | {
                "tasks": {name: cell._asdict() for name, cell in row.tasks.items()},
                "difference": {name: cell._asdict() for name, cell in row.difference.items()},
                "delta_m": None if row.delta_m is None else row.delta_m._asdict(),
            }
            for row in self.rows
        ]  # fmt: skip
        return asdict(self) | {"rows": rows}

    def save(self, path: str | Path) -> Path:
        """Write the table to a .md, .csv or .json file, in that format; return the file."""
        path = check_table_file(path)
        match path.suffix.lower():
            case ".md":
                return write(path, self.to_markdown())
            case ".csv":
                names = [row.system for row in self.rows]
                return write(path, format_csv([row.flatten() for row in self.rows], names))
            case _:
                return write_json(path, self.dump())

    def _format_scores(self) -> str:
        head = ["system", "seeds"]
        for column in self.columns:
            unit = f", {column.unit}" if column.unit else ""
            direction = "" if column.higher_is_better else " (lower is better)"
            head.append(f"{column.name}{unit}{direction}")
        relative = self.baseline is not None
        head += ["delta_m, %"] if relative else []
        lines = []
        for row in self.rows:
            cells = [format_interval(row.tasks.get(column.name)) for column in self.columns]
            cells += [format_interval(row.delta_m, sign=True)] if relative else []
            lines.append([row.system, str(len(row.seeds)), *cells])
        return format_markdown_table(head, lines)

    def _format_differences(self) -> str:
        names = [column.name for column in self.columns]
        lines = [
            [row.system, *(format_interval(row.difference.get(name), sign=True) for name in names)]
            for row in self.rows
            if row.system != self.baseline and row.difference
        ]
        return format_markdown_table([f"minus {self.baseline}", *names], lines)

    def _format_better(self) -> str:
        matrix = self.better.get("delta_m", {})
        names = [row.system for row in self.rows if row.system in matrix]
        lines = [
            [one, *("" if one == other else format_share(matrix[one][other]) for other in names)]
            for one in names
        ]
        return format_markdown_table(["better in delta_m than", *names], lines) if lines else ""
