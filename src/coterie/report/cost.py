"""What each system costs: parameters, arithmetic, memory, time."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from coterie.report.formatting import (
    MISSING,
    format_count,
    format_duration,
    format_number,
    format_size,
)
from coterie.report.run_files import RunFiles
from coterie.report.scores import TRAINED, compute_mean, to_number
from coterie.report.systems import ReportSystem


@dataclass(frozen=True, kw_only=True)
class CostColumn:
    """One column: a field of scores.json's cost, and how one seed's runs (say, a model a task)
    make one number."""

    field: str
    title: str
    aggregate: Callable[[Sequence[float]], float]
    format: Callable[[float | None], str]


COST_COLUMNS = (
    CostColumn(
        field="trainable_parameters",
        title="Trainable parameters",
        aggregate=sum,
        format=format_count,
    ),
    CostColumn(
        field="active_parameters", title="Active a sample", aggregate=max, format=format_count
    ),
    CostColumn(
        field="total_parameters", title="Total parameters", aggregate=max, format=format_count
    ),
    CostColumn(
        field="flops_per_sample",
        title="FLOPs a sample",
        aggregate=compute_mean,
        format=format_count,
    ),
    CostColumn(field="peak_memory_bytes", title="Peak memory", aggregate=max, format=format_size),
    CostColumn(field="train_time_s", title="Training time", aggregate=sum, format=format_duration),
    CostColumn(
        field="samples_per_s",
        title="Trained samples/s",
        aggregate=compute_mean,
        format=format_number,
    ),
    CostColumn(
        field="generate_samples_per_s",
        title="Answers/s",
        aggregate=compute_mean,
        format=format_number,
    ),
)


@dataclass(frozen=True, kw_only=True)
class SystemCost:
    """A system's line: runs a seed, and the texts of QUANTITIES."""

    system: ReportSystem
    runs_a_seed: int
    texts: tuple[str, ...]


def build_costs(found: Sequence[ReportSystem]) -> tuple[SystemCost, ...]:
    """A line for each system of which some cost is known: the mean over seeds."""
    made = (build_system_cost(system) for system in found)
    return tuple(each for each in made if any(text != MISSING for text in each.texts))


def build_system_cost(system: ReportSystem) -> SystemCost:
    """The system's line."""
    by_seed: dict[str, list[RunFiles]] = {}
    for run in system.runs:
        by_seed.setdefault(str(run.seed), []).append(run)
    return SystemCost(
        system=system,
        runs_a_seed=max(len(group) for group in by_seed.values()),
        texts=tuple(
            each.format(average_over_seeds(by_seed.values(), each)) for each in COST_COLUMNS
        ),
    )


def average_over_seeds(groups: Iterable[Sequence[RunFiles]], quantity: CostColumn) -> float:
    """The mean over seeds of what their runs come to; NaN if no run tells."""
    found = [[get_cost_value(run, quantity.field) for run in group] for group in groups]
    held = [[each for each in group if math.isfinite(each)] for group in found]
    return compute_mean([float(quantity.aggregate(group)) for group in held if group])


def get_cost_value(run: RunFiles, field: str) -> float:
    """A field of a run's cost; NaN if it is not told."""
    held = run.read_mapping(TRAINED).get("cost")
    return to_number(held.get(field)) if isinstance(held, dict) else math.nan
