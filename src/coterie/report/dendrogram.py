"""The tree of tasks by the experts that they share, as strokes of an SVG."""

from collections.abc import Mapping
from dataclasses import dataclass

from coterie.report.formatting import format_number
from coterie.report.heatmap import Matrix
from coterie.report.interval_chart import Axis, make_axis


@dataclass(frozen=True, kw_only=True)
class DendrogramChart:
    """A tree with its tasks from top to bottom and distance from left to right.

    Attributes:
        order: tasks, so that no branches cross.
        strokes: points of polylines, both axes from 0 to 100.
        far: the distance at the right end.
    """

    order: tuple[str, ...]
    lines: tuple[str, ...]
    max_distance: str


def build_dendrogram(tasks: list[str], maps: Mapping[str, Matrix]) -> DendrogramChart:
    """The tree that `coterie.evaluate.task_similarity` makes of tasks' shares, by layer.

    Raises ValueError if scipy is not installed, or some layer has no numbers.
    """
    # Heavy: torch. Only here the page needs it.
    from coterie.evaluate.task_similarity import cluster_tasks, compute_task_similarity

    use = {layer: {"chosen": dict(zip(tasks, map_, strict=True))} for layer, map_ in maps.items()}
    made = cluster_tasks(tasks, compute_task_similarity(use).nan_to_num(0.0))
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
    """The share of use that two tasks have in common; see `coterie.evaluate.task_similarity`."""
    # Heavy: torch. Only here the page needs it.
    import torch

    from coterie.evaluate.task_similarity import compute_choice_overlap

    return compute_choice_overlap(torch.tensor(map_, dtype=torch.float64)).tolist()


def compute_map_information(map_: Matrix) -> float:
    """I(T; E) of one layer's map, tasks by experts; NaN where nothing is given to any expert."""
    import torch

    from coterie.routing.mutual_information import (
        compute_joint_distribution,
        compute_mutual_information,
    )

    try:
        joint = compute_joint_distribution(torch.tensor(map_, dtype=torch.float64))
    except ValueError:
        return float("nan")
    # Rounding leaves a hair below 0 where tasks choose alike.
    return max(0.0, compute_mutual_information(joint).item())
