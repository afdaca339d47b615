"""What each system costs: parameters, arithmetic, memory, time, as `evaluate`'s table has it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from coterie.report.context import ReportContext
from coterie.report.formatting import (
    MISSING,
    format_count,
    format_duration,
    format_number,
    format_size,
    is_number,
)
from coterie.report.section import Section
from coterie.report.systems import ReportSystem


@dataclass(frozen=True, kw_only=True)
class CostColumn:
    """A column: a key of `SystemRow.cost`, its title, and how a number is written."""

    key: str
    title: str
    format: Callable[[float | None], str]


COLUMNS = (
    CostColumn(key="trainable_parameters", title="Trainable parameters", format=format_count),
    CostColumn(key="active_parameters", title="Active a sample", format=format_count),
    CostColumn(key="total_parameters", title="Total parameters", format=format_count),
    CostColumn(key="flops_per_sample", title="FLOPs a sample", format=format_count),
    CostColumn(key="peak_memory_bytes", title="Peak memory", format=format_size),
    CostColumn(key="train_time_s", title="Training time", format=format_duration),
    CostColumn(key="samples_per_s", title="Trained samples/s", format=format_number),
    CostColumn(key="generate_samples_per_s", title="Answers/s", format=format_number),
)


@dataclass(frozen=True, kw_only=True)
class SystemCost:
    """A system's line: the number of models of a seed, and the texts of `COLUMNS`."""

    system: ReportSystem
    models_per_seed: int
    texts: tuple[str, ...]


class Cost(Section):
    """A table of costs, a line for each system of which some cost is known."""

    title = "Cost"
    order = 50

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        lines = [build_line(system, row.cost) for row, system in context.columns if not row.control]
        known = [line for line in lines if any(text != MISSING for text in line.texts)]
        return {"costs": known, "quantities": COLUMNS}


def build_line(system: ReportSystem, cost: Mapping[str, Any]) -> SystemCost:
    """Build a system's line."""
    runs = Counter(str(run.seed) for run in system.runs)
    values = (cost.get(column.key) for column in COLUMNS)
    return SystemCost(
        system=system,
        models_per_seed=max(runs.values()),
        texts=tuple(
            column.format(float(value) if is_number(value) else None)
            for column, value in zip(COLUMNS, values, strict=True)
        ),
    )
