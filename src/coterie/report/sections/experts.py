"""Which experts each task uses: an overview over all layers, then layer by layer."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from coterie.evaluate.task_similarity import TaskDendrogram, cluster_tasks, compute_choice_overlap
from coterie.report.context import ReportContext
from coterie.report.expert_layers import LayerUsage, parse_layers
from coterie.report.formatting import (
    Axis,
    format_points,
    is_number,
    make_axis,
    strip_common_prefix,
)
from coterie.report.heatmap import Matrix, parse_matrix
from coterie.report.rank_usage import find_rank_usage
from coterie.report.section import Section
from coterie.report.systems import ReportSystem
from coterie.routing.mutual_information import compute_mutual_information
from coterie.train.run_directory import MissingFile

MAX_LAYERS = 60
MOVED, MOVED_NATS = 0.1, 0.01
"""A change of I(T; E) in training below a tenth, or a hundredth of a nat, is called hardly any."""
OFTEN, WEIGHT = "How often each task chooses each expert", "Mean weight of each expert"
NO_DENDROGRAM = "No tree of the tasks of {}: it needs scipy, pip install 'coterie[evaluate]'"


class ExpertUsageMaps(Section):
    """The expert usage of each system that has a gate, of its first run that has some."""

    title = "Experts"
    order = 30

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        shown: list[Mapping[str, Any]] = []
        missing: list[MissingFile] = []
        for system in context.systems:
            folders = [run.directory for run in system.runs]
            files = (folder.try_read_mapping(folder.expert_usage_file) for folder in folders)
            tasks, layers = parse_layers(next(filter(None, files), {}))
            if layers:
                usage = {**describe_usage(tasks, layers), "start": read_start(system)}
                shown.append({"system": system, "ranks": find_rank_usage(system)} | usage)
                if len(tasks) > 1 and not usage["branches"]:
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


class Start(NamedTuple):
    """What a run's log says of its gates at the first step, and at the last record.

    Attributes:
        information, last_information: I(T; E) in nats, mean over layers; NaN if not recorded.
        shared: the share of expert use that two tasks have in common at the start; NaN likewise.
    """

    information: float
    last_information: float
    shared: float

    @property
    def has_hardly_moved(self) -> bool:
        """Whether the gates tell tasks apart as little, or as much, as before training."""
        moved = abs(self.last_information - self.information)
        return moved < max(MOVED * self.information, MOVED_NATS)


def read_start(system: ReportSystem) -> Start | None:
    """Read the gates' start of a system's first run with a log of it; None for none."""
    for run in system.runs:
        rows = [row for row in run.log if isinstance(row.get("information"), Mapping)]
        means = [fmean(filter(is_number, row["information"].values())) for row in rows
                 if any(map(is_number, row["information"].values()))]  # fmt: skip
        if means:
            return Start(means[0], means[-1], compute_shared(run.log[0]))
    return None


def compute_shared(row: Mapping[str, Any]) -> float:
    """Compute the share of expert use in common from a record of the log, mean over layers."""
    use = row.get("use")
    shares = []
    for layer in use.values() if isinstance(use, Mapping) else ():
        by_task = layer.get("mean_weight", {}) if isinstance(layer, Mapping) else {}
        lines = list(by_task.values())
        width = len(lines[0]) if lines and isinstance(lines[0], list) else 0
        weights = parse_matrix(lines, len(lines), width) if width and len(lines) > 1 else None
        if weights is not None:
            shares.append(average_overlap(compute_choice_overlap(weights.nan_to_num(0.0))))
    return fmean(shares) if shares else math.nan


def average_overlap(overlap: Matrix) -> float:
    """Average over pairs of different tasks."""
    others = ~torch.eye(len(overlap), dtype=torch.bool)
    return overlap[others].mean().item()


def describe_usage(tasks: Sequence[str], layers: Sequence[LayerUsage]) -> dict[str, Any]:
    """Return what the template shows of a system; maps have tasks in the order of the run.

    Maps show how often tasks choose experts; where every expert is always chosen, the weights.
    """
    chosen = [each.chosen for each in layers if each.chosen is not None]
    often = len(chosen) == len(layers) and any((each < 1).any() for each in chosen)
    maps = chosen if often else [each.mean_weight for each in layers]
    information = [
        compute_information(map_ if layer.probability is None else layer.probability)
        for layer, map_ in zip(layers, maps, strict=True)
    ]
    known = [each for each in information if math.isfinite(each)]
    tree = cluster_by_experts(tasks, maps)
    weights = [each.mean_weight for each in layers]
    overlaps = torch.stack([compute_choice_overlap(each.nan_to_num(0.0)) for each in weights])
    experts = layers[0].experts
    alike = all(each.experts == experts for each in layers)
    return {
        "tasks": list(tasks),
        # As the tree has them, without crossing branches.
        "leaves": list(tree.order) if tree else list(tasks),
        "layers": strip_common_prefix([each.name for each in layers]),
        # One layer of so many is shown, so that there are at most MAX_LAYERS.
        "stride": math.ceil(len(layers) / MAX_LAYERS),
        # Of each layer what `statistic` says, tasks by experts.
        "maps": maps,
        "statistic": OFTEN if often else WEIGHT,
        # Share of expert use that two tasks have in common, mean over layers.
        "overlap": overlaps.mean(0),
        # Of each layer, 1 minus the overlap, mean over pairs of tasks.
        "differences": [1 - average_overlap(each) for each in overlaps],
        # Of each layer, I(T; E) in nats, NaN where all weights are 0; the layers that have it;
        # their axis, from 0; and the upper bound.
        "information": information,
        "known_information": known,
        "information_axis": make_axis(known, zero=True),
        "limit": math.log(min(len(tasks), max(len(each.experts) for each in layers))),
        # Mean weight of each expert over layers; None where layers have other experts.
        "experts": [f"{number}. {name}" for number, name in enumerate(experts, 1)],
        "mean": torch.stack(weights).nanmean(0) if alike else None,
        **draw_tree(tree),
    }


def draw_tree(tree: TaskDendrogram | None) -> dict[str, Any]:
    """Return the tree's polylines, distance from left to right, and the axis of distances.

    Without a tree, for one task or without scipy, there are no lines.
    """
    if tree is None:
        return {"branches": (), "distances": make_axis((), zero=True)}
    distances = make_axis([far for _, _, far, _ in tree.merges], zero=True)
    tasks = Axis(10.0 * len(tree.tasks), 0.0)
    lines = (zip(far, at, strict=True) for at, far in tree.lines)
    return {
        "branches": [format_points(each, distances, tasks) for each in lines],
        "distances": distances,
    }


def cluster_by_experts(
    tasks: Sequence[str], maps: Sequence[Float64[Tensor, "height ..."]]
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
