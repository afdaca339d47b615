"""Which experts each task uses, layer by layer: an overview over all layers, then the layers.

Maps and tree are those of `coterie.report.task_maps`, drawn so that they follow the page's colours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from coterie.report.dendrogram import (
    DendrogramChart,
    build_dendrogram,
    compute_map_information,
    compute_overlap,
)
from coterie.report.formatting import format_number
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
from coterie.report.run_files import MissingData
from coterie.report.systems import ReportSystem

ROUTING_FILE = "routing.json"
MAX_LAYERS = 60
OFTEN, WEIGHT = "How often each task chooses each expert", "Mean weight of each expert"
NO_DENDROGRAM = "No tree of the tasks of {}: it needs scipy, pip install 'coterie[evaluate]'"


@dataclass(frozen=True, kw_only=True)
class LayerUsage:
    """A layer's map, tasks by experts, as a small picture, and I(T; E) in nats."""

    name: str
    image: str
    alt: str
    nats: str


@dataclass(frozen=True, kw_only=True)
class UsageSection:
    """A system's routing; tasks are in the order of the tree.

    Attributes:
        difference: explained on the page.
        bars: (x, width, height) in percent of the strip, and what it says.
        information: the same of I(T; E), on an axis up to `most_nats`.
        nats: the mean of I(T; E) over layers.
        limit: the most that I(T; E) can be.
        tree: None for one task, or where it cannot be drawn.
        what: what a map shows.
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
    found: Sequence[ReportSystem],
) -> tuple[tuple[UsageSection, ...], tuple[MissingData, ...]]:
    """The routing of each system's first run that has one, and what is missing."""
    shown, gaps = [], []
    for system in found:
        data = next(
            (
                run.read_mapping(ROUTING_FILE)
                for run in system.runs
                if run.read_mapping(ROUTING_FILE)
            ),
            {},
        )
        made = build_usage_section(system, data)
        if made is not None:
            shown.append(made)
            if made.tree is None and len(made.tasks) > 1:
                gaps.append(MissingData(message=NO_DENDROGRAM.format(system.name)))
        elif is_routed(system):
            what = f"No expert maps of {system.name}"
            gaps.append(system.runs[0].make_missing(what, ROUTING_FILE, "coterie evaluate {}"))
    return tuple(shown), tuple(gaps)


def is_routed(system: ReportSystem) -> bool:
    """Whether some mixture of the system has a gate; True if no recipe tells."""
    recipe = system.runs[0].config.get("recipe")
    mixtures = recipe.get("mixtures") if isinstance(recipe, Mapping) else None
    if not isinstance(mixtures, list):
        return True
    return any(each.get("gate") for each in mixtures if isinstance(each, Mapping))


def build_usage_section(system: ReportSystem, data: Mapping[str, Any]) -> UsageSection | None:
    """What a routing file shows; None if it holds no layers with the same tasks."""
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
    """One of a layer's maps, tasks by experts; None where a file has none, as older ones."""
    rows = [given.get(task) for task in tasks] if isinstance(given, Mapping) else None
    return parse_matrix(rows, len(tasks), experts)


def summarize_usage(
    system: ReportSystem,
    tasks: list[str],
    held: dict[str, tuple[list[str], Matrix]],
    chosen: Mapping[str, Matrix | None],
    probable: Mapping[str, Matrix | None],
) -> UsageSection:
    """What is shown of maps: how often tasks choose experts, or where all are, their weights."""
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
    """The overview and the layers; at most MOST_LAYERS of these, evenly spread over the depth."""
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
    """The mean over pairs of different tasks; 1 if there are none."""
    held = [v for y, line in enumerate(map_) for x, v in enumerate(line) if x != y]
    return sum(held) / len(held) if held else 1.0


def make_bars(
    names: Sequence[str], values: Sequence[float], scale: Axis
) -> tuple[tuple[float, float, float, str], ...]:
    """A number a layer as a bar each; none is as high as 0."""
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


def strip_common_prefix(names: Sequence[str]) -> list[str]:
    """Without the dotted parts that all have in common at the front."""
    if len(names) < 2:
        return list(names)
    parts = [name.split(".") for name in names]
    alike = (len(set(column)) == 1 for column in zip(*parts, strict=False))
    front = sum(1 for _ in takewhile(bool, alike))
    return [".".join(each[front:]) or ".".join(each) for each in parts]
