"""`Table`: scores of several systems with intervals, costs and pairwise comparisons."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coterie.evaluate.intervals import Interval
from coterie.io import write, write_json

COSTS = (
    ("trainable_parameters", "trainable, M", 1e-6),
    ("active_parameters", "active, M", 1e-6),
    ("total_parameters", "total, M", 1e-6),
    ("flops_per_sample", "GFLOP a sample", 1e-9),
    ("peak_memory_bytes", "peak memory, GiB", 2**-30),
    ("train_time_s", "training, s", 1.0),
    ("samples_per_s", "trained samples/s", 1.0),
    ("generate_samples_per_s", "answers/s", 1.0),
)


@dataclass(frozen=True, kw_only=True)
class TaskColumn:
    """A task of the table; `metric` is as tasks.yaml writes it."""

    name: str
    metric: str
    unit: str
    higher_is_better: bool
    samples: int


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


@dataclass(frozen=True, kw_only=True)
class Table:
    """The result of `coterie.compare`.

    Attributes:
        rows: the systems, the baseline first.
        baseline: its name, or None.
        better: task, or "delta_m", -> A -> B -> share of paired resamples in which A is better.
        notes: caveats about the numbers.
        not_compared: system -> why it has no differences, from `compare_available`.
    """

    split: str
    columns: tuple[TaskColumn, ...]
    rows: tuple[SystemRow, ...]
    baseline: str | None = None
    better: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    not_compared: Mapping[str, str] = field(default_factory=dict)

    def to_markdown(self) -> str:
        """Return markdown tables: scores, differences to the baseline, who is better, and cost."""
        parts = [self._format_scores()]
        if self.baseline is not None:
            parts += [self._format_differences(), self._format_better()]
        parts.append(self._format_costs())
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
        """Write the table as markdown to a .md file, else as JSON; return the file."""
        path = Path(path).expanduser()
        if path.is_dir():
            raise ValueError(f"{path} is a folder: name a file, such as {path / 'table.md'}")
        if path.suffix == ".md":
            return write(path, self.to_markdown())
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
            [one, *("" if one == other else _format_share(matrix[one][other]) for other in names)]
            for one in names
        ]
        return format_markdown_table(["better in delta_m than", *names], lines) if lines else ""

    def _format_costs(self) -> str:
        given = {key for row in self.rows for key, value in row.cost.items() if value is not None}
        known = [cost for cost in COSTS if cost[0] in given]
        if not known:
            return ""
        lines = [
            [row.system, *(_format_cost(row.cost.get(key), scale) for key, _, scale in known)]
            for row in self.rows
            if row.cost
        ]
        return format_markdown_table(["cost", *(title for _, title, _ in known)], lines)


def format_markdown_table(head: list[str], lines: list[list[str]]) -> str:
    """Return a markdown table with aligned columns: the first to the left, numbers to the right."""
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (head, *lines)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    padded = ([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def format_interval(cell: Interval | None, *, sign: bool = False) -> str:
    """Return "81.2 [78.0, 84.1]", in three digits or more; of None an empty text."""
    if cell is None:
        return ""
    if not math.isfinite(cell.value):
        return "undefined"
    known = [value for value in cell if math.isfinite(value)]
    largest = max(map(abs, known))
    digits = 1 if largest >= 10 or largest == 0 else 2 if largest >= 1 else 3
    texts = [f"{value:{'+' if sign else ''}.{digits}f}" for value in known]
    return texts[0] if len(texts) < 3 else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def _format_share(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else "undefined"


def _format_cost(value: float | int | None, scale: float) -> str:
    """Return at least three digits, without an exponent."""
    if value is None:
        return ""
    number = value * scale
    digits = 0 if number >= 100 else 1 if number >= 10 else 2 if number >= 1 else 4
    return f"{number:,.{digits}f}"
