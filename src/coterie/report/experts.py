"""Which experts each task uses, layer by layer: an overview over all layers, then the layers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from coterie.report.folder import Gap
from coterie.report.heat import Heat, heat, picture
from coterie.report.matrix import Matrix, average, table
from coterie.report.scale import Scale
from coterie.report.systems import System

FILE = "routing.json"
MOST_LAYERS = 60


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer's map, tasks by experts, as a small picture, and how far tasks differ in it."""

    name: str
    picture: str
    alt: str
    difference: float


@dataclass(frozen=True, kw_only=True)
class Experts:
    """A system's routing. `difference` is explained on the page; bars are (x, width, height) in
    percent of the strip."""

    system: System
    tasks: tuple[str, ...]
    overlap: Heat | None
    mean: Heat | None
    difference: float
    bars: tuple[tuple[float, float, float, str], ...]
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
        elif is_routed(system):
            what = f"No expert maps of {system.name}"
            gaps.append(system.runs[0].gap(what, FILE, "coterie evaluate {}"))
    return tuple(shown), tuple(gaps)


def is_routed(system: System) -> bool:
    """Whether some mixture of the system has a gate; True if no recipe tells."""
    recipe = system.runs[0].recipe.get("recipe")
    mixtures = recipe.get("mixtures", ()) if isinstance(recipe, Mapping) else ()
    return not mixtures or any(each.get("gate") for each in mixtures if isinstance(each, Mapping))


def routing(system: System, data: Mapping[str, Any]) -> Experts | None:
    """What a routing file shows; None if it holds no layers with the same tasks."""
    layers = data.get("layers")
    layers = layers if isinstance(layers, Mapping) else {}
    held: dict[str, tuple[list[str], Matrix]] = {}
    tasks: list[str] = []
    for name, layer in layers.items():
        use = layer.get("tasks", {}) if isinstance(layer, Mapping) else {}
        labels = [str(each) for each in layer.get("experts", ())] if use else []
        tasks = tasks or [str(task) for task in use]
        map_ = table(list(use.values()), len(tasks), len(labels))
        if map_ and labels and list(use) == tasks:
            held[str(name)] = (labels, map_)
    return summed(system, tasks, held) if held else None


def summed(
    system: System, tasks: list[str], held: Mapping[str, tuple[list[str], Matrix]]
) -> Experts:
    """The overview and the layers; at most MOST_LAYERS of these, evenly spread over the depth."""
    maps = [map_ for _, map_ in held.values()]
    overlaps = [overlap(map_) for map_ in maps]
    apart = [1 - off_diagonal(each) for each in overlaps]
    labels = next(iter(held.values()))[0]
    same = all(each == labels for each, _ in held.values())
    names = short_names(list(held))
    most = max(max(max(line) for line in map_) for map_ in maps)
    every = max(1, math.ceil(len(maps) / MOST_LAYERS))
    several = len(tasks) > 1
    return Experts(
        system=system,
        tasks=tuple(tasks),
        overlap=heat(tasks, tasks, average(overlaps), most=1.0) if several else None,
        mean=heat(tasks, labels, average(maps)) if same else None,
        difference=sum(apart) / len(apart),
        bars=bars(names, apart) if several else (),
        layers=tuple(
            Layer(
                name=name,
                picture=picture(map_, most=most if most > 0 else None),
                alt=f"Mean expert weights in {name}: {len(tasks)} tasks by {len(experts)} experts",
                difference=difference,
            )
            for name, (experts, map_), difference in zip(names, held.values(), apart, strict=True)
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
    names: Sequence[str], apart: Sequence[float]
) -> tuple[tuple[float, float, float, str], ...]:
    """How far tasks differ, a bar a layer, on an axis from 0 to 1."""
    scale, width = Scale(0.0, 1.0), 100 / len(apart)
    return tuple(
        (round(i * width, 3), round(0.8 * width, 3), scale.at(each), f"{names[i]}: {each:.2f}")
        for i, each in enumerate(apart)
    )


def short_names(names: Sequence[str]) -> list[str]:
    """Without the dotted parts that all have in common at the front."""
    if len(names) < 2:
        return list(names)
    parts = [name.split(".") for name in names]
    alike = (len(set(column)) == 1 for column in zip(*parts, strict=False))
    front = sum(1 for _ in takewhile(bool, alike))
    return [".".join(each[front:]) or ".".join(each) for each in parts]
