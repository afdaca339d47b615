"""`compare`: several systems' scores on the same samples, as one table."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from coterie.evaluate import systems
from coterie.evaluate.estimates import RESAMPLES, Estimate, Estimates, is_defined
from coterie.evaluate.systems import Runs, System
from coterie.evaluate.table import SystemRow, Table, TaskColumn
from coterie.train.controls import UNTRAINED, describe_control
from coterie.train.run import Run
from coterie.train.run_directory import RunDirectory

SUMMED_COSTS = ("trainable_parameters", "total_parameters", "train_time_s")


def compare(
    runs: Sequence[Any] | Mapping[str, Any],
    *,
    baseline: Runs | None = None,
    controls: bool | Sequence[str] = True,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Table:
    """Return a table of runs that `coterie.evaluate` has scored on the same samples.

    Intervals are of 95 %, over samples and, where a system has several seeds, over seeds too
    (see `coterie.evaluate.intervals`). All systems are scored on the same resamples (a paired
    bootstrap), so differences, delta_m and who is better are more certain than the intervals of
    the scores suggest.

    Args:
        runs: runs or their folders, grouped by their configuration; or system -> its runs.
            Several seeds are one system; so are single-task runs, joined by their seed.
        baseline: the single-task runs, or other runs to measure delta_m against.
        controls: also show evaluations with `untrained=True`, `blind=True` and `without`; or which
            of them: "untrained", "blind", "without-depth" and the like.
        resamples: bootstrap resamples, at least 1.

    Raises ValueError for no runs, a run that was not evaluated, and systems that scored different
    tasks, samples or splits.
    """
    groups = systems.group_runs(runs)
    if not groups:
        raise ValueError("compare was given no runs: give at least one")
    if resamples < 1:
        raise ValueError(f"resamples={resamples}: give at least 1; 1000 is usual")
    name, groups = _add_baseline(groups, baseline)
    split = systems.get_common_split([run for group in groups.values() for run in group])
    found = [systems.load_system(system, group) for system, group in groups.items()]
    if isinstance(controls, bool):
        runs = [run.directory for group in groups.values() for run in group]
        controls = list_controls(runs) if controls else ()
    found += _add_controls(groups, controls)
    estimates = Estimates(
        systems=systems.bootstrap_systems(found, resamples=resamples, seed=seed),
        higher_is_better=[each.metric.higher_is_better for each in found[0].tasks.values()],
        seed=seed,
    )
    return _make_table(found, estimates, name, split)


def list_controls(runs: Iterable[RunDirectory]) -> list[str]:
    """List the controls that some of the runs have, each once."""
    return list(dict.fromkeys(control for run in runs for control in run.list_controls()))


def _add_baseline(
    groups: dict[str, list[Run]], baseline: Runs | None
) -> tuple[str | None, dict[str, list[Run]]]:
    """Return the baseline's name, and the groups with the baseline first and once."""
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
    name += " (baseline)" if name in groups else ""
    return name, {name: runs} | groups


def _add_controls(groups: Mapping[str, list[Run]], controls: Iterable[str]) -> list[System]:
    """Load the runs' control evaluations; the untrained model once, as it has no recipe."""
    found: dict[str, System] = {}
    for control in controls:
        for name, group in groups.items():
            called = f"{name}, {describe_control(control)}"
            if control == UNTRAINED:  # all seeds of a base are one model
                called = control
                group = [run for run in group if run.config.seed == group[0].config.seed]
            there = all(run.directory.scores_file(control).is_file() for run in group)
            if there and called not in found:
                system = systems.load_system(called, group, control=control)
                found[called] = replace(system, control_of=name)
    return list(found.values())


def _make_table(
    found: Sequence[System], estimates: Estimates, baseline: str | None, split: str
) -> Table:
    tasks, names = list(found[0].tasks), [system.name for system in found]
    rows = []
    for position, system in enumerate(found):
        differences = {
            task: estimates.difference(position, estimates.baseline, i).interval
            for i, task in enumerate(tasks) if baseline is not None
        }  # fmt: skip
        rows.append(
            SystemRow(
                system=system.name,
                seeds=system.seeds,
                tasks={task: estimates.score(position, i) for i, task in enumerate(tasks)},
                delta_m=None if baseline is None else estimates.delta_m(position).interval,
                difference=differences,
                cost=_aggregate_cost(system),
                control=system.control,
                control_of=system.control_of,
            )
        )
    better = {
        task: _compute_better(names, partial(estimates.improvement, task=i))
        for i, task in enumerate(tasks)
    }
    if baseline is not None:
        better["delta_m"] = _compute_better(names, estimates.delta_m)
    columns = [
        TaskColumn(
            name=task, metric=scored.name, unit=scored.metric.unit,
            higher_is_better=scored.metric.higher_is_better, samples=len(scored.samples),
        )
        for task, scored in found[0].tasks.items()
    ]  # fmt: skip
    return Table(
        split=split,
        columns=tuple(columns),
        rows=tuple(rows),
        baseline=baseline,
        better=better,
        notes=tuple(_collect_notes(found, estimates, baseline is not None)),
    )


def _compute_better(
    names: Sequence[str], difference: Callable[[int, int], Estimate]
) -> dict[str, dict[str, float]]:
    """Return A -> B -> the share of resamples in which A is better than B."""
    better: dict[str, dict[str, float]] = {name: {} for name in names}
    for i, one in enumerate(names):
        for j, other in enumerate(names[:i]):
            # Both directions from one estimate: resampled again, the other had its own noise.
            better[one][other] = difference(i, j).share_above_zero
            better[other][one] = 1 - better[one][other]
    return better


def _aggregate_cost(system: System) -> dict[str, float | int | None]:
    """Return a replica's cost, mean over seeds; single-task runs' parameters and times add up."""
    found: dict[str, float | int | None] = {}
    for key in dict.fromkeys(key for cost in system.costs for key in cost):
        values = [cost[key] for cost in system.costs if cost.get(key) is not None]
        divisor = len(system.seeds) if key in SUMMED_COSTS else len(values)
        found[key] = sum(values) / divisor if values else None
    return found


def _collect_notes(
    found: Sequence[System], estimates: Estimates, has_baseline: bool
) -> Iterator[str]:
    if has_baseline:
        base, kept = estimates.systems[estimates.baseline], estimates.kept
        for task, keep, value in zip(found[0].tasks, kept, base.mean, strict=True):
            if not keep:
                yield (
                    f"delta_m leaves out {task}: the baseline's score is {value:.3g}, and no share "
                    "of it means anything"
                )
        lost = 1 - float(is_defined(base.mean_draws[:, kept]).all(1).mean())
        if lost > 0:
            yield (
                f"in {100 * lost:.1f} % of the draws the baseline scores 0 on a task; they are "
                "left out of delta_m's interval"
            )
    single = [system.name for system in found if len(system.seeds) == 1]
    if single:
        yield f"one seed only, so the interval is over samples alone: {', '.join(single)}"
    if any(np.isnan(each.values).any() for each in estimates.systems):
        yield "undefined: the metric has no value on these samples"
