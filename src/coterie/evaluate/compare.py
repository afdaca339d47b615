"""`compare`: several systems' scores over the same samples, as one table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from coterie.evaluate import bootstrap, systems
from coterie.evaluate.bootstrap import Interval, compute_percentile_interval
from coterie.evaluate.delta_m import compute_delta_m, is_defined
from coterie.evaluate.paired_bootstrap import (
    BootstrapSamples,
    bootstrap_systems,
    compute_share_better,
)
from coterie.evaluate.systems import Runs, System
from coterie.evaluate.table import SystemRow, Table, TaskColumn

SUMMED_COSTS = ("trainable_parameters", "total_parameters", "train_time_s")
CONTROLS = {"untrained": "untrained", "blind": "{name}, blind"}


def compare(
    runs: Sequence[Any] | Mapping[str, Any],
    *,
    baseline: Runs | None = None,
    controls: bool | Sequence[str] = True,
    resamples: int = bootstrap.RESAMPLES,
    seed: int = 0,
) -> Table:
    """A table of runs that `coterie.evaluate` has scored on the same samples.

    Intervals are of 95 %, over samples and, where a system has several seeds, over seeds too.
    All systems are scored on the same draws of samples (a paired bootstrap), so differences,
    delta_m and who is better are surer than the scores' own intervals let think.

    Args:
        runs: runs or their folders, grouped by what they were made of; or system -> its runs.
            Several seeds are one system; so are single-task runs, joined by their seed.
        baseline: the single-task runs, or whatever else delta_m is to be measured against.
        controls: also show what was evaluated with `untrained=True` and `blind=True`; or which
            of the two, "untrained" and "blind".
        resamples: draws of the bootstrap, at least 1.
        seed: of the draws.

    Raises:
        ValueError: no runs, a run that was not evaluated, systems that scored different tasks,
            samples or splits.
    """
    groups = systems.group_runs(runs)
    if not groups:
        raise ValueError("compare was given no runs: give at least one")
    if resamples < 1:
        raise ValueError(f"resamples={resamples}: give at least 1; 1000 is usual")
    name, groups = _add_baseline(groups, baseline)
    every = [run for group in groups.values() for run in group]
    split = systems.get_common_split(every)
    found = [systems.load_system(system, group) for system, group in groups.items()]
    wanted = controls if not isinstance(controls, bool) else CONTROLS if controls else ()
    found += _add_controls(groups, wanted)
    return _make_table(found, bootstrap_systems(found, resamples=resamples, seed=seed), name, split)


def _add_baseline(
    groups: dict[str, list[Any]], baseline: Runs | None
) -> tuple[str | None, dict[str, list[Any]]]:
    """The baseline's name, and the groups with it in front and once."""
    if baseline is None:
        return None, groups
    runs = systems.resolve_runs(baseline)
    if not runs:
        raise ValueError("baseline has no runs: give at least one, or baseline=None")
    folders = {run.folder.resolve() for run in runs}
    for name, group in groups.items():
        if {run.folder.resolve() for run in group} == folders:
            return name, {name: group} | groups
    name = runs[0].config.recipe.name
    name = name if name not in groups else f"{name} (baseline)"
    return name, {name: runs} | groups


def _add_controls(groups: Mapping[str, list[Any]], controls: Iterable[str]) -> list[System]:
    """What the runs were also evaluated as; the untrained model once, for it has no recipe."""
    found: dict[str, System] = {}
    for control in controls:
        for name, group in groups.items():
            called = CONTROLS[control].format(name=name)
            there = all(systems.get_scores_file(run, control).is_file() for run in group)
            if there and called not in found:
                # All seeds of a base are one model.
                one = [run for run in group if run.config.seed == group[0].config.seed]
                runs = one if control == "untrained" else group
                found[called] = replace(
                    systems.load_system(called, runs, control=control),
                    costs=(),
                    control=control,
                    control_of=name,
                )
    return list(found.values())


def _make_table(
    found: Sequence[System], draws: Sequence[BootstrapSamples], baseline: str | None, split: str
) -> Table:
    tasks = list(found[0].tasks)
    columns = tuple(_make_column(name, found[0]) for name in tasks)
    higher = [column.higher_is_better for column in columns]
    base = draws[0] if baseline is not None else None
    deltas = {} if base is None else _compute_deltas(draws, base, higher)
    rows = []
    for position, (system, each) in enumerate(zip(found, draws, strict=True)):
        rows.append(
            SystemRow(
                system=system.name,
                seeds=system.seeds,
                tasks=_make_intervals(tasks, each.values, each.resamples),
                delta_m=None if base is None else compute_percentile_interval(*deltas[position]),
                difference={} if base is None else _make_intervals(
                    tasks, each.values - base.values, each.resamples - base.resamples
                ),
                cost=_aggregate_cost(system),
                control=system.control,
                control_of=system.control_of,
            )
        )  # fmt: skip
    names = [system.name for system in found]
    shares = {
        task: _compute_better(names, [each.resamples[:, i] for each in draws], higher[i])
        for i, task in enumerate(tasks)
    }
    if base is not None:
        shares["delta_m"] = _compute_better(names, [deltas[i][1] for i in range(len(names))], True)
    return Table(
        split=split,
        columns=columns,
        rows=tuple(rows),
        baseline=baseline,
        better=shares,
        notes=tuple(_collect_notes(found, base, tasks)),
    )


def _make_column(name: str, system: System) -> TaskColumn:
    scored = system.tasks[name]
    return TaskColumn(
        name=name,
        metric=scored.name,
        unit=scored.metric.unit,
        higher_is_better=scored.metric.higher_is_better,
        samples=len(scored.samples),
    )


def _make_intervals(
    tasks: Sequence[str],
    values: Float[np.ndarray, " tasks"],
    draws: Float[np.ndarray, "resamples tasks"],
) -> dict[str, Interval]:
    return {
        task: compute_percentile_interval(float(values[i]), draws[:, i])
        for i, task in enumerate(tasks)
    }


def _compute_deltas(
    draws: Sequence[BootstrapSamples], base: BootstrapSamples, higher: Sequence[bool]
) -> dict[int, tuple[float, Float[np.ndarray, " resamples"]]]:
    """Each system's delta_m and its draws, over the tasks where a baseline's share is defined."""
    kept = is_defined(base.values)
    if not kept.any():
        undefined = float("nan"), np.full(len(base.resamples), float("nan"))
        return dict.fromkeys(range(len(draws)), undefined)
    signs = [is_higher for is_higher, keep in zip(higher, kept, strict=True) if keep]
    return {
        position: (
            float(compute_delta_m(each.values[kept], base.values[kept], signs)),
            compute_delta_m(each.resamples[:, kept], base.resamples[:, kept], signs),
        )
        for position, each in enumerate(draws)
    }


def _compute_better(
    names: Sequence[str], draws: Sequence[Float[np.ndarray, " resamples"]], higher: bool
) -> dict[str, dict[str, float]]:
    return {
        one: {
            other: compute_share_better(draws[i], draws[j], higher_is_better=higher)
            for j, other in enumerate(names)
            if i != j
        }
        for i, one in enumerate(names)
    }


def _aggregate_cost(system: System) -> dict[str, float | int | None]:
    """A replica's cost, mean over seeds: what is trained and kept adds up over single-task runs."""
    found: dict[str, float | int | None] = {}
    for key in dict.fromkeys(key for cost in system.costs for key in cost):
        values = [cost[key] for cost in system.costs if cost.get(key) is not None]
        divisor = len(system.seeds) if key in SUMMED_COSTS else len(values)
        found[key] = sum(values) / divisor if values else None
    return found


def _collect_notes(
    found: Sequence[System], base: BootstrapSamples | None, tasks: Sequence[str]
) -> list[str]:
    notes = []
    if base is not None:
        kept = is_defined(base.values)
        for task, keep, value in zip(tasks, kept, base.values, strict=True):
            if not keep:
                notes.append(
                    f"delta_m leaves out {task}: the baseline's score is {value:.3g}, and no share "
                    "of it means anything"
                )
        lost = 1 - float(is_defined(base.resamples[:, kept]).all(1).mean())
        if lost > 0:
            notes.append(
                f"in {100 * lost:.1f} % of the draws the baseline scores 0 on a task; they are "
                "left out of delta_m's interval"
            )
    single = [system.name for system in found if len(system.seeds) == 1]
    if single:
        notes.append(f"one seed only, so the interval is over samples alone: {', '.join(single)}")
    if any(math.isnan(value) for each in found for value in _get_costs(each)):
        notes.append("undefined: the metric has no value on these samples")
    return notes


def _get_costs(system: System) -> list[float]:
    return [
        scored.metric.score(matrix.sum(0))
        for scored in system.tasks.values()
        for matrix in scored.statistics
    ]
