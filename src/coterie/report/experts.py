"""Which experts each task uses, layer by layer: an overview over all layers, then the layers.

Maps and tree are those of `coterie.report.task_maps`, drawn so that they follow the page's colours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from coterie.report.branches import Branches, branches, nats
from coterie.report.folder import Gap
from coterie.report.heat import Heat, heat, largest, picture
from coterie.report.matrix import Matrix, average, table
from coterie.report.numbers import plain
from coterie.report.scale import Scale, around
from coterie.report.systems import System

FILE = "routing.json"
MOST_LAYERS = 60
OFTEN, WEIGHT = "How often each task chooses each expert", "Mean weight of each expert"
NO_TREE = "No tree of the tasks of {}: it needs scipy, pip install 'coterie[evaluate]'"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer's map, tasks by experts, as a small picture, and I(T; E) in nats."""

    name: str
    picture: str
    alt: str
    nats: str


@dataclass(frozen=True, kw_only=True)
class Experts:
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

    system: System
    tasks: tuple[str, ...]
    overlap: Heat | None
    mean: Heat | None
    difference: float
    bars: tuple[tuple[float, float, float, str], ...]
    information: tuple[tuple[float, float, float, str], ...]
    nats: float
    most_nats: float
    limit: float
    tree: Branches | None
    what: str
    layers: tuple[Layer, ...]
    left_out: int


def experts(found: Sequence[System]) -> tuple[tuple[Experts, ...], tuple[Gap, ...]]:
    """The routing of each system's first run that has one, and what is missing."""
    shown, gaps = [], []
    for system in found:
        data = next((run.mapping(FILE) for run in system.runs if run.mapping(FILE)), {})
        made = routing(system, data)
        if made is not None:
            shown.append(made)
            if made.tree is None and len(made.tasks) > 1:
                gaps.append(Gap(what=NO_TREE.format(system.name)))
        elif is_routed(system):
            what = f"No expert maps of {system.name}"
            gaps.append(system.runs[0].gap(what, FILE, "coterie evaluate {}"))
    return tuple(shown), tuple(gaps)


def is_routed(system: System) -> bool:
    """Whether some mixture of the system has a gate; True if no recipe tells."""
    recipe = system.runs[0].recipe.get("recipe")
    mixtures = recipe.get("mixtures") if isinstance(recipe, Mapping) else None
    if not isinstance(mixtures, list):
        return True
    return any(each.get("gate") for each in mixtures if isinstance(each, Mapping))


def routing(system: System, data: Mapping[str, Any]) -> Experts | None:
    """What a routing file shows; None if it holds no layers with the same tasks."""
    layers = data.get("layers")
    layers = layers if isinstance(layers, Mapping) else {}
    held: dict[str, tuple[list[str], Matrix]] = {}
    chosen: dict[str, Matrix | None] = {}
    probable: dict[str, Matrix | None] = {}
    tasks: list[str] = []
    for name, layer in layers.items():
        use = layer.get("tasks", {}) if isinstance(layer, Mapping) else {}
        labels = [str(each) for each in layer.get("experts", ())] if use else []
        tasks = tasks or [str(task) for task in use]
        map_ = table(list(use.values()), len(tasks), len(labels))
        if map_ and labels and list(use) == tasks:
            held[str(name)] = (labels, map_)
            for key, maps in (("chosen", chosen), ("probability", probable)):
                maps[str(name)] = by_task(layer.get(key), tasks, len(labels))
    return told(system, tasks, held, chosen, probable) if held else None


def by_task(given: Any, tasks: Sequence[str], experts: int) -> Matrix | None:
    """One of a layer's maps, tasks by experts; None where a file has none, as older ones."""
    rows = [given.get(task) for task in tasks] if isinstance(given, Mapping) else None
    return table(rows, len(tasks), experts)


def told(
    system: System,
    tasks: list[str],
    held: dict[str, tuple[list[str], Matrix]],
    chosen: Mapping[str, Matrix | None],
    probable: Mapping[str, Matrix | None],
) -> Experts:
    """What is shown of maps: how often tasks choose experts, or where all are, their weights."""
    known = {name: map_ for name, map_ in chosen.items() if map_ is not None}
    picks = any(v < 1 for map_ in known.values() for line in map_ for v in line)
    often = len(known) == len(held) and picks
    shares = known if often else {name: map_ for name, (_, map_) in held.items()}
    try:
        made = branches(tasks, shares) if len(tasks) > 1 else None
    except ValueError:
        made = None
    order = [tasks.index(task) for task in made.order] if made else range(len(tasks))
    return summed(
        system,
        [tasks[place] for place in order],
        {name: (each, [map_[i] for i in order]) for name, (each, map_) in held.items()},
        {name: [map_[i] for i in order] for name, map_ in shares.items()},
        informed=[nats(probable.get(name) or map_) for name, map_ in shares.items()],
        tree=made,
        what=OFTEN if often else WEIGHT,
    )


def summed(
    system: System,
    tasks: list[str],
    held: Mapping[str, tuple[list[str], Matrix]],
    shares: Mapping[str, Matrix],
    *,
    informed: Sequence[float],
    tree: Branches | None,
    what: str,
) -> Experts:
    """The overview and the layers; at most MOST_LAYERS of these, evenly spread over the depth."""
    maps = [map_ for _, map_ in held.values()]
    overlaps = [overlap(map_) for map_ in maps]
    apart = [1 - off_diagonal(each) for each in overlaps]
    labels = next(iter(held.values()))[0]
    same = all(each == labels for each, _ in held.values())
    names = short_names(list(held))
    most = largest([line for map_ in shares.values() for line in map_])
    every = max(1, math.ceil(len(maps) / MOST_LAYERS))
    several = len(tasks) > 1
    known = [each for each in informed if math.isfinite(each)]
    axis = around(known, zero=True)
    return Experts(
        system=system,
        tasks=tuple(tasks),
        overlap=heat(tasks, tasks, average(overlaps), most=1.0) if several else None,
        mean=heat(tasks, labels, average(maps)) if same else None,
        difference=sum(apart) / len(apart),
        bars=bars(names, apart, Scale(0.0, 1.0)) if several else (),
        information=bars(names, informed, axis) if several and known else (),
        nats=sum(known) / len(known) if known else math.nan,
        most_nats=axis.high,
        limit=math.log(min(len(tasks), max(len(each) for each, _ in held.values()))),
        tree=tree,
        what=what,
        layers=tuple(
            Layer(
                name=name,
                picture=picture(shares[layer], most=most),
                alt=f"{what} in {name}: {len(tasks)} tasks by {len(experts)} experts",
                nats=f"{each:.3f} nats" if several and math.isfinite(each) else "",
            )
            for name, (layer, (experts, _)), each in zip(names, held.items(), informed, strict=True)
        )[::every],
        left_out=len(maps) - len(maps[::every]),
    )


def overlap(map_: Matrix) -> Matrix:
    """The share of use that two tasks have in common: 1 the same experts alike, 0 none in common.

    Rows are brought to a sum of 1 first: routers such as RoDE's give weights of any sum.
    """
    shares = [[v / (sum(line) or 1.0) for v in line] for line in map_]
    return [[sum(map(min, a, b)) for b in shares] for a in shares]


def off_diagonal(map_: Matrix) -> float:
    """The mean over pairs of different tasks; 1 if there are none."""
    held = [v for y, line in enumerate(map_) for x, v in enumerate(line) if x != y]
    return sum(held) / len(held) if held else 1.0


def bars(
    names: Sequence[str], values: Sequence[float], scale: Scale
) -> tuple[tuple[float, float, float, str], ...]:
    """A number a layer as a bar each; none is as high as 0."""
    width = 100 / len(values)
    return tuple(
        (
            round(i * width, 3),
            round(0.8 * width, 3),
            scale.at(each) if math.isfinite(each) else 0.0,
            f"{names[i]}: {plain(each)}",
        )
        for i, each in enumerate(values)
    )


def short_names(names: Sequence[str]) -> list[str]:
    """Without the dotted parts that all have in common at the front."""
    if len(names) < 2:
        return list(names)
    parts = [name.split(".") for name in names]
    alike = (len(set(column)) == 1 for column in zip(*parts, strict=False))
    front = sum(1 for _ in takewhile(bool, alike))
    return [".".join(each[front:]) or ".".join(each) for each in parts]
