"""Which experts each task uses: an overview over all layers, then layer by layer."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from coterie.evaluate.task_similarity import TaskDendrogram, cluster_tasks, compute_choice_overlap
from coterie.report.formatting import strip_common_prefix
from coterie.report.heatmap import Matrix, parse_matrix
from coterie.report.interval_chart import Axis, format_points, make_axis
from coterie.report.section import ReportContext, Section
from coterie.report.systems import ReportSystem
from coterie.routing.mutual_information import compute_mutual_information
from coterie.train.run_directory import MissingFile

MAX_LAYERS = 60
OFTEN, WEIGHT = "How often each task chooses each expert", "Mean weight of each expert"
NO_DENDROGRAM = "No tree of the tasks of {}: it needs scipy, pip install 'coterie[evaluate]'"


class LayerUsage(NamedTuple):
    """A layer's statistics, tasks by experts, as the file of expert usage has them."""

    name: str
    experts: Sequence[str]
    mean_weight: Matrix
    chosen: Matrix | None
    probability: Matrix | None


class UsageSection(NamedTuple):
    """A system's expert usage; tasks are in the order of the tree.

    Attributes:
        layers: names, without what all have in common.
        maps: of each layer, what `statistic` says, tasks by experts.
        overlap: share of expert use that two tasks have in common, mean over layers.
        differences: of each layer, 1 minus the overlap, mean over pairs of tasks.
        information: of each layer, I(T; E) in nats; NaN where all weights are 0.
        limit: the upper bound of I(T; E).
        experts: names, where all layers have the same.
        mean: mean weight of each expert over layers; None where layers have other experts.
        branches: the tree's polylines, distance from left to right; none for one task, or
            without scipy.
        distances: the tree's axis.
    """

    system: ReportSystem
    tasks: Sequence[str]
    layers: Sequence[str]
    maps: Sequence[Matrix]
    statistic: str
    overlap: Matrix
    differences: Sequence[float]
    information: Sequence[float]
    limit: float
    experts: Sequence[str]
    mean: Matrix | None
    branches: Sequence[str]
    distances: Axis

    @property
    def known_information(self) -> list[float]:
        """I(T; E) of the layers that have it."""
        return [each for each in self.information if math.isfinite(each)]

    @property
    def information_axis(self) -> Axis:
        """The axis of I(T; E), from 0."""
        return make_axis(self.known_information, zero=True)

    @property
    def stride(self) -> int:
        """One layer of so many is shown, so that there are at most MAX_LAYERS."""
        return math.ceil(len(self.maps) / MAX_LAYERS)


class ExpertUsageMaps(Section):
    """The expert usage of each system that has a gate, of its first run that has some."""

    title = "Experts"
    order = 30

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        shown: list[UsageSection] = []
        missing: list[MissingFile] = []
        for system in context.systems:
            folders = [run.directory for run in system.runs]
            files = (folder.try_read_mapping(folder.expert_usage_file) for folder in folders)
            tasks, layers = parse_layers(next(filter(None, files), {}))
            if layers:
                shown.append(build_usage_section(system, tasks, layers))
                if len(tasks) > 1 and not shown[-1].branches:
                    missing.append(MissingFile(NO_DENDROGRAM.format(system.name)))
            elif is_routed(system):
                what = f"No expert maps of {system.name}"
                missing.append(folders[0].explain(folders[0].expert_usage_file, what))
        return {"experts": shown, "missing": missing, "unit_axis": Axis(0.0, 1.0)}


def is_routed(system: ReportSystem) -> bool:
    """Whether some mixture of the system has a gate; True if no recipe is known."""
    mixtures = system.runs[0].recipe.get("mixtures")
    if not isinstance(mixtures, list):
        return True
    return any(each.get("gate") for each in mixtures if isinstance(each, Mapping))


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


def build_usage_section(
    system: ReportSystem, tasks: Sequence[str], layers: Sequence[LayerUsage]
) -> UsageSection:
    """Show how often tasks choose experts; where every expert is always chosen, the weights."""
    chosen = [each.chosen for each in layers if each.chosen is not None]
    often = len(chosen) == len(layers) and any((each < 1).any() for each in chosen)
    maps = chosen if often else [each.mean_weight for each in layers]
    masses = [
        map_ if layer.probability is None else layer.probability
        for layer, map_ in zip(layers, maps, strict=True)
    ]
    tree = cluster_by_experts(tasks, maps)
    distances = make_axis([far for _, _, far, _ in tree.merges] if tree else (), zero=True)
    lines = tree.lines if tree else ()
    order = [tasks.index(task) for task in tree.order] if tree else list(range(len(tasks)))
    weights = [each.mean_weight[order] for each in layers]
    overlaps = torch.stack([compute_choice_overlap(each.nan_to_num(0.0)) for each in weights])
    others = ~torch.eye(len(tasks), dtype=torch.bool)
    experts = layers[0].experts
    alike = all(each.experts == experts for each in layers)
    return UsageSection(
        system=system,
        tasks=[tasks[place] for place in order],
        layers=strip_common_prefix([each.name for each in layers]),
        maps=[each[order] for each in maps],
        statistic=OFTEN if often else WEIGHT,
        overlap=overlaps.mean(0),
        differences=(1 - overlaps[:, others].mean(1)).tolist(),
        information=[compute_information(each) for each in masses],
        limit=math.log(min(len(tasks), max(len(each.experts) for each in layers))),
        experts=experts,
        mean=torch.stack(weights).nanmean(0) if alike else None,
        branches=[
            format_points(zip(far, at, strict=True), distances, Axis(10.0 * len(tasks), 0.0))
            for at, far in lines
        ],
        distances=distances,
    )


def cluster_by_experts(
    tasks: Sequence[str], maps: Sequence[Float64[Tensor, "tasks _"]]
) -> TaskDendrogram | None:
    """Cluster tasks by the experts that they share, mean over layers; None without scipy."""
    overlaps = torch.stack([compute_choice_overlap(each) for each in maps])
    try:
        return cluster_tasks(tasks, overlaps.mean(0).nan_to_num(0.0))
    except ValueError:
        return None


def compute_information(mass: Matrix) -> float:
    """Compute I(T; E) in nats; NaN where all is 0, or something is not known."""
    # Where tasks choose alike, rounding leaves a hair above or below 0.
    return abs(round(compute_mutual_information(mass).item(), 12)) if mass.sum() > 0 else math.nan
