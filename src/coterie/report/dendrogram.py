"""Similarity of tasks by the experts that they share: numbers of `evaluate`, lines for an SVG."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from coterie.evaluate.task_similarity import cluster_tasks, compute_choice_overlap
from coterie.report.formatting import format_number
from coterie.report.heatmap import Matrix
from coterie.report.interval_chart import Axis, make_axis
from coterie.routing.mutual_information import (
    compute_joint_distribution,
    compute_mutual_information,
)


@dataclass(frozen=True, kw_only=True)
class DendrogramChart:
    """A tree with its tasks from top to bottom and distance from left to right.

    Attributes:
        order: tasks, so that no branches cross.
        lines: points of polylines, both axes from 0 to 100.
        max_distance: the distance at the right end.
    """

    order: tuple[str, ...]
    lines: tuple[str, ...]
    max_distance: str


def build_dendrogram(tasks: list[str], maps: Mapping[str, Matrix]) -> DendrogramChart:
    """Build the tree of tasks by `coterie.evaluate.task_similarity`, of a map for each layer.

    Raises ValueError if scipy is not installed, or some layer has no numbers.
    """
    overlaps = torch.stack([compute_choice_overlap(torch.tensor(each)) for each in maps.values()])
    made = cluster_tasks(tasks, overlaps.mean(0).nan_to_num(0.0))
    x = make_axis([far for _, _, far, _ in made.merges], zero=True)
    y = Axis(0.0, 10.0 * len(tasks))
    strokes = (
        " ".join(
            f"{x.to_percent(far):.4g},{y.to_percent(at):.4g}" for at, far in zip(*line, strict=True)
        )
        for line in made.lines
    )
    return DendrogramChart(
        order=made.order, lines=tuple(strokes), max_distance=format_number(x.high)
    )


def compute_overlap(map_: Matrix) -> Matrix:
    """Return the share of expert use that two tasks have in common; unknown numbers count as 0."""
    weights = torch.tensor(map_, dtype=torch.float64).nan_to_num(0.0)
    return compute_choice_overlap(weights).tolist()


def compute_map_information(map_: Matrix) -> float:
    """Return I(T; E) of a layer's map, tasks by experts; NaN where all weights are 0."""
    try:
        joint = compute_joint_distribution(torch.tensor(map_, dtype=torch.float64))
    except ValueError:
        return float("nan")
    # Rounding leaves a hair below 0 where tasks choose alike.
    return max(0.0, compute_mutual_information(joint).item())
