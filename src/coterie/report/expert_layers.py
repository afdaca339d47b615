"""`LayerUsage`: what the file of expert usage says of a layer."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coterie.report.heatmap import Matrix, parse_matrix


class LayerUsage(NamedTuple):
    """A layer's statistics, tasks by experts, as the file of expert usage has them."""

    name: str
    experts: Sequence[str]
    mean_weight: Matrix
    chosen: Matrix | None
    probability: Matrix | None


def parse_layers(data: Mapping[str, Any]) -> tuple[list[str], list[LayerUsage]]:
    """Parse a file of expert usage: the tasks of its first layer, and the layers that have them."""
    tasks: list[str] = []
    found: list[LayerUsage] = []
    layers = data.get("layers")
    for name, layer in layers.items() if isinstance(layers, Mapping) else ():
        use = layer.get("mean_weight", {}) if isinstance(layer, Mapping) else {}
        experts = [str(each) for each in layer.get("experts", ())] if use else []
        tasks = tasks or [str(task) for task in use]
        if not experts or list(use) != tasks:
            continue
        weight, *others = (
            parse_matrix([given.get(task) for task in tasks], len(tasks), len(experts))
            if isinstance(given := layer.get(key), Mapping)
            else None
            for key in ("mean_weight", "chosen", "probability")
        )
        if weight is not None:
            found.append(LayerUsage(str(name), experts, weight, *others))
    return tasks, found
