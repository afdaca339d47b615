"""The conflict between tasks before and after training, as heat maps and sentences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coterie.report.formatting import is_number
from coterie.report.heatmap import (
    Heatmap,
    average_matrices,
    build_heatmap,
    compute_mean,
    parse_matrix,
    render_png_uri,
)
from coterie.report.run_files import MissingData
from coterie.report.scores import to_number
from coterie.report.systems import ReportSystem

CONFLICT_FILE = "conflict.json"
AFTER_COMMAND = "coterie diagnose {0} --tasks TASKS.yaml --to {0}/conflict.json"
DENSE_AFTER_COMMAND = "coterie diagnose {0} --to {0}/conflict.json"


@dataclass(frozen=True, kw_only=True)
class LayerGroupMap:
    """The map of one group of layers, as a small picture."""

    name: str
    image: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class ConflictMaps:
    """One measurement: the mean map over layer groups, the maps themselves, the transfer."""

    title: str
    summary: str
    negative_percent: float | None
    noise: float | None
    mean: Heatmap
    groups: tuple[LayerGroupMap, ...]
    transfer: Heatmap | None


@dataclass(frozen=True, kw_only=True)
class ConflictSection:
    """Before and after, as far as they were measured."""

    measurements: tuple[ConflictMaps, ...]
    missing: tuple[MissingData, ...]


def build_conflict_section(
    found: tuple[ReportSystem, ...], before: Mapping[str, Any] | None
) -> ConflictSection:
    """`before`, measured on the untrained model, and beside it each system's first measurement."""
    shown, gaps = [], []
    if all(len(run.task_names) == 1 for system in found for run in system.runs):
        return ConflictSection(
            measurements=(),
            missing=(MissingData(message="One task alone has nobody to conflict with"),),
        )
    if before is None:
        # Of pictures, heads that have learned nothing say nothing: there is no "before".
        if all(system.is_dense for system in found):
            return add_conflicts_after(found, shown, gaps)
        gaps.append(
            MissingData(
                message="The conflict before training was not given",
                command="coterie diagnose MODEL --tasks TASKS.yaml --to conflict.json",
            )
        )
    else:
        shown += build_conflict_maps("Before training", before)
    return add_conflicts_after(found, shown, gaps)


def add_conflicts_after(
    found: tuple[ReportSystem, ...], shown: list[ConflictMaps], gaps: list[MissingData]
) -> ConflictSection:
    """With what was measured of each system's runs; a model for each task has nobody to meet."""
    for system in found:
        if all(len(run.task_names) == 1 for run in system.runs):
            continue
        measured = (run.read_mapping(CONFLICT_FILE) for run in system.runs)
        held = next((each for each in measured if each), None)
        if held is None:
            what = f"No conflict measured after training {system.name}"
            command = DENSE_AFTER_COMMAND if system.is_dense else AFTER_COMMAND
            gaps.append(system.runs[0].make_missing(what, CONFLICT_FILE, command))
        else:
            shown += build_conflict_maps(f"After training: {system.name}", held)
    return ConflictSection(measurements=tuple(shown), missing=tuple(gaps))


def build_conflict_maps(title: str, data: Mapping[str, Any]) -> Iterator[ConflictMaps]:
    """The measurement in a file; nothing if the file holds no square map of two tasks or more."""
    tasks = [str(task) for task in data.get("tasks", ())]
    maps = [parse_matrix(each, len(tasks), len(tasks)) for each in data.get("cosine", ())]
    if len(tasks) < 2 or not maps or None in maps:
        return
    held = [each for each in maps if each is not None]
    groups = [str(name) for name in data.get("groups", ())]
    groups += [f"group {i + 1}" for i in range(len(groups), len(held))]
    transfer = parse_matrix(data.get("transfer"), len(tasks), len(tasks))
    share = data.get("negative_share")
    yield ConflictMaps(
        title=title,
        summary=str(data.get("sentence", "")),
        negative_percent=100 * to_number(share) if is_number(share) else None,
        noise=compute_mean(data.get("within")),
        mean=build_heatmap(tasks, tasks, average_matrices(held), most=1.0),
        groups=tuple(
            LayerGroupMap(
                name=name,
                image=render_png_uri(each, most=1.0),
                alt=f"Map of gradient cosines between tasks in {name}",
            )
            for name, each in zip(groups, held, strict=False)
        ),
        transfer=build_heatmap(tasks, tasks, transfer) if transfer else None,
    )
