"""The conflict between tasks before and after training, as heat maps and sentences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.report.context import ReportContext
from coterie.report.formatting import is_number
from coterie.report.heatmap import (
    Heatmap,
    average_matrices,
    build_heatmap,
    compute_mean,
    parse_matrix,
    render_png_uri,
)
from coterie.report.section import Section
from coterie.train.run_directory import MissingFile, RunDirectory

BEFORE_COMMAND = "coterie diagnose MODEL --tasks TASKS.yaml --to "


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
    missing: tuple[MissingFile, ...]


class ConflictMap(Section):
    """The measurement before training, and that of each system after training."""

    title = "Conflict"
    order = 20

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        return {"conflicts": build_conflict_section(context)}

    def summarize(self, context: ReportContext, values: Mapping[str, Any]) -> Iterator[str]:
        measured: ConflictSection = values["conflicts"]
        known = [each for each in measured.measurements if each.negative_percent is not None]
        if known:
            listed = "; ".join(
                f"{each.title[0].lower()}{each.title[1:]} {each.negative_percent:.0f} %"
                for each in known
            )
            yield f"Pairs of tasks whose gradients point against each other: {listed}."


def build_conflict_section(context: ReportContext) -> ConflictSection:
    """Build the maps of the untrained model, and the first measurement of each system."""
    if all(system.has_single_task_runs for system in context.systems):
        alone = MissingFile("One task alone has nobody to conflict with")
        return ConflictSection(measurements=(), missing=(alone,))
    shown: list[ConflictMaps] = []
    missing: list[MissingFile] = []
    if context.conflict_before is not None:
        shown += build_conflict_maps("Before training", context.conflict_before)
    elif any(system.has_text_predictions for system in context.systems):
        # Tasks that are answered by images have heads, which mean nothing before training.
        command = BEFORE_COMMAND + RunDirectory(Path()).conflict_file.name
        missing.append(MissingFile("The conflict before training was not given", command))
    for system in context.systems:
        if system.has_single_task_runs:
            continue
        files = [(run, run.directory.conflict_file) for run in system.runs]
        measured = (run.directory.try_read_mapping(file) for run, file in files)
        found = next((each for each in measured if each), None)
        if found is None:
            run, file = files[0]
            missing.append(run.explain(file, f"No conflict measured after training {system.name}"))
        else:
            shown += build_conflict_maps(f"After training: {system.name}", found)
    return ConflictSection(measurements=tuple(shown), missing=tuple(missing))


def build_conflict_maps(title: str, data: Mapping[str, Any]) -> Iterator[ConflictMaps]:
    """Yield the maps of a measurement; none if it has no square matrix of two tasks or more."""
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
        negative_percent=100 * share if is_number(share) else None,
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
