"""Which experts each task uses: an overview over all layers, then layer by layer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coterie.report.context import ReportContext
from coterie.report.dendrogram import (
    DendrogramChart,
    build_dendrogram,
    compute_map_information,
    compute_overlap,
)
from coterie.report.formatting import format_number, strip_common_prefix
from coterie.report.heatmap import (
    Heatmap,
    Matrix,
    average_matrices,
    build_heatmap,
    compute_largest,
    parse_matrix,
    render_png_uri,
)
from coterie.report.interval_chart import Axis, make_axis
from coterie.report.section import Section
from coterie.report.systems import ReportSystem
from coterie.train.run_directory import MissingFile

MAX_LAYERS = 60
OFTEN, WEIGHT = "How often each task chooses each expert", "Mean weight of each expert"
NO_DENDROGRAM = "No tree of the tasks of {}: it needs scipy, pip install 'coterie[evaluate]'"


class ExpertUsageMaps(Section):
    """The expert usage of each system that has a gate."""

    title = "Experts"
    order = 30

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        shown, missing = build_usage_sections(context.systems)
        return {"experts": shown, "missing": missing}


@dataclass(frozen=True, kw_only=True)
class LayerUsage:
    """A layer's map, tasks by experts, as a small image, and I(T; E) in nats."""

    name: str
    image: str
    alt: str
    nats: str


@dataclass(frozen=True, kw_only=True)
class UsageSection:
    """A system's expert usage; tasks are in the order of the tree.

    Attributes:
        overlap: share of expert use that two tasks have in common; None for one task.
        mean: mean weight of each expert over layers; None where layers have other experts.
        difference: 1 minus the overlap, mean over pairs of tasks and layers.
        bars: the difference in each layer: (x, width, height) in percent of the strip, and a
            label.
        information: the same of I(T; E), on an axis up to `max_information`.
        mean_information: of I(T; E) over layers, in nats.
        limit: the upper bound of I(T; E).
        tree: None for one task, or without scipy.
        statistic: what a map shows.
    """

    system: ReportSystem
    tasks: tuple[str, ...]
    overlap: Heatmap | None
    mean: Heatmap | None
    difference: float
    bars: tuple[tuple[float, float, float, str], ...]
    information: tuple[tuple[float, float, float, str], ...]
    mean_information: float
    max_information: float
    limit: float
    tree: DendrogramChart | None
    statistic: str
    layers: tuple[LayerUsage, ...]
    num_hidden_layers: int


def build_usage_sections(
    systems: Sequence[ReportSystem],
) -> tuple[tuple[UsageSection, ...], tuple[MissingFile, ...]]:
    """Build the maps of each system's first run that has some, and list what is missing."""
    shown: list[UsageSection] = []
    missing: list[MissingFile] = []
    for system in systems:
        files = [run.directory.expert_usage_file for run in system.runs]
        found = (
            run.directory.try_read_mapping(file)
            for run, file in zip(system.runs, files, strict=True)
        )
        section = build_usage_section(system, next((each for each in found if each), {}))
        if section is not None:
            shown.append(section)
            if section.tree is None and len(section.tasks) > 1:
                missing.append(MissingFile(NO_DENDROGRAM.format(system.name)))
        elif is_routed(system):
            missing.append(system.runs[0].explain(files[0], f"No expert maps of {system.name}"))
    return tuple(shown), tuple(missing)


def is_routed(system: ReportSystem) -> bool:
    """Whether some mixture of the system has a gate; True if no recipe is known."""
    mixtures = system.runs[0].recipe.get("mixtures")
    if not isinstance(mixtures, list):
        return True
    return any(each.get("gate") for each in mixtures if isinstance(each, Mapping))


def build_usage_section(system: ReportSystem, data: Mapping[str, Any]) -> UsageSection | None:
    """Build the maps of a file of expert usage; None without layers that share their tasks."""
    layers = data.get("layers")
    layers = layers if isinstance(layers, Mapping) else {}
    held: dict[str, tuple[list[str], Matrix]] = {}
    chosen: dict[str, Matrix | None] = {}
    probable: dict[str, Matrix | None] = {}
    tasks: list[str] = []
    for name, layer in layers.items():
        use = layer.get("mean_weight", {}) if isinstance(layer, Mapping) else {}
        labels = [str(each) for each in layer.get("experts", ())] if use else []
        tasks = tasks or [str(task) for task in use]
        map_ = parse_matrix(list(use.values()), len(tasks), len(labels))
        if map_ and labels and list(use) == tasks:
            held[str(name)] = (labels, map_)
            for key, maps in (("chosen", chosen), ("probability", probable)):
                maps[str(name)] = extract_task_map(layer.get(key), tasks, len(labels))
    return summarize_usage(system, tasks, held, chosen, probable) if held else None


def extract_task_map(given: Any, tasks: Sequence[str], experts: int) -> Matrix | None:
    """Return a statistic of a layer, tasks by experts; None where the file has none."""
    rows = [given.get(task) for task in tasks] if isinstance(given, Mapping) else None
    return parse_matrix(rows, len(tasks), experts)


def summarize_usage(
    system: ReportSystem,
    tasks: list[str],
    held: dict[str, tuple[list[str], Matrix]],
    chosen: Mapping[str, Matrix | None],
    probable: Mapping[str, Matrix | None],
) -> UsageSection:
    """Show how often tasks choose experts; where every expert is always chosen, the weights."""
    known = {name: map_ for name, map_ in chosen.items() if map_ is not None}
    picks = any(v < 1 for map_ in known.values() for line in map_ for v in line)
    often = len(known) == len(held) and picks
    shares = known if often else {name: map_ for name, (_, map_) in held.items()}
    try:
        made = build_dendrogram(tasks, shares) if len(tasks) > 1 else None
    except ValueError:
        made = None
    order = [tasks.index(task) for task in made.order] if made else range(len(tasks))
    return assemble_usage_section(
        system,
        [tasks[place] for place in order],
        {name: (each, [map_[i] for i in order]) for name, (each, map_) in held.items()},
        {name: [map_[i] for i in order] for name, map_ in shares.items()},
        informed=[
            compute_map_information(probable.get(name) or map_) for name, map_ in shares.items()
        ],
        tree=made,
        what=OFTEN if often else WEIGHT,
    )


def assemble_usage_section(
    system: ReportSystem,
    tasks: list[str],
    held: Mapping[str, tuple[list[str], Matrix]],
    shares: Mapping[str, Matrix],
    *,
    informed: Sequence[float],
    tree: DendrogramChart | None,
    what: str,
) -> UsageSection:
    """Assemble the overview and at most MAX_LAYERS layers, evenly spread over the depth."""
    maps = [map_ for _, map_ in held.values()]
    overlaps = [compute_overlap(map_) for map_ in maps]
    apart = [1 - average_off_diagonal(each) for each in overlaps]
    labels = next(iter(held.values()))[0]
    same = all(each == labels for each, _ in held.values())
    names = strip_common_prefix(list(held))
    most = compute_largest([line for map_ in shares.values() for line in map_])
    every = max(1, math.ceil(len(maps) / MAX_LAYERS))
    several = len(tasks) > 1
    known = [each for each in informed if math.isfinite(each)]
    axis = make_axis(known, zero=True)
    return UsageSection(
        system=system,
        tasks=tuple(tasks),
        overlap=build_heatmap(tasks, tasks, average_matrices(overlaps), most=1.0)
        if several
        else None,
        mean=build_heatmap(tasks, labels, average_matrices(maps)) if same else None,
        difference=sum(apart) / len(apart),
        bars=make_bars(names, apart, Axis(0.0, 1.0)) if several else (),
        information=make_bars(names, informed, axis) if several and known else (),
        mean_information=sum(known) / len(known) if known else math.nan,
        max_information=axis.high,
        limit=math.log(min(len(tasks), max(len(each) for each, _ in held.values()))),
        tree=tree,
        statistic=what,
        layers=tuple(
            LayerUsage(
                name=name,
                image=render_png_uri(shares[layer], most=most),
                alt=f"{what} in {name}: {len(tasks)} tasks by {len(experts)} experts",
                nats=f"{each:.3f} nats" if several and math.isfinite(each) else "",
            )
            for name, (layer, (experts, _)), each in zip(names, held.items(), informed, strict=True)
        )[::every],
        num_hidden_layers=len(maps) - len(maps[::every]),
    )


def average_off_diagonal(map_: Matrix) -> float:
    """Return the mean over pairs of different tasks; 1 if there are none."""
    held = [v for y, line in enumerate(map_) for x, v in enumerate(line) if x != y]
    return sum(held) / len(held) if held else 1.0


def make_bars(
    names: Sequence[str], values: Sequence[float], scale: Axis
) -> tuple[tuple[float, float, float, str], ...]:
    """Make a bar for each layer's number; an unknown number has height 0."""
    width = 100 / len(values)
    return tuple(
        (
            round(i * width, 3),
            round(0.8 * width, 3),
            scale.to_percent(each) if math.isfinite(each) else 0.0,
            f"{names[i]}: {format_number(each)}",
        )
        for i, each in enumerate(values)
    )
