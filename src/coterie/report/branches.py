"""The tree of tasks by the experts that they share, as strokes of an SVG."""

from collections.abc import Mapping
from dataclasses import dataclass

from coterie.report.matrix import Matrix
from coterie.report.numbers import plain
from coterie.report.scale import Scale, around


@dataclass(frozen=True, kw_only=True)
class Branches:
    """A tree with its tasks from top to bottom and distance from left to right.

    Attributes:
        order: tasks, so that no branches cross.
        strokes: points of polylines, both axes from 0 to 100.
        far: the distance at the right end.
    """

    order: tuple[str, ...]
    strokes: tuple[str, ...]
    far: str


def branches(tasks: list[str], maps: Mapping[str, Matrix]) -> Branches:
    """The tree that `coterie.evaluate.likeness` makes of tasks' shares, by layer.

    Raises ValueError if scipy is not installed, or some layer has no numbers.
    """
    # Heavy: torch. Only here the page needs it.
    from coterie.evaluate.likeness import likeness, tree

    use = {
        task: {layer: {"chosen": map_[place]} for layer, map_ in maps.items()}
        for place, task in enumerate(tasks)
    }
    made = tree(tasks, likeness(use).nan_to_num(0.0))
    x = around([far for _, _, far, _ in made.merges], zero=True)
    y = Scale(0.0, 10.0 * len(tasks))
    strokes = (
        " ".join(f"{x.at(far):.4g},{y.at(at):.4g}" for at, far in zip(*line, strict=True))
        for line in made.lines
    )
    return Branches(order=made.order, strokes=tuple(strokes), far=plain(x.high))


def nats(map_: Matrix) -> float:
    """I(T; E) of one layer's map, tasks by experts; NaN where nothing is given to any expert."""
    import torch

    from coterie.evaluate.information import joint, mutual_information

    try:
        # Rounding leaves a hair below 0 where tasks choose alike.
        return max(0.0, mutual_information(joint(torch.tensor(map_, dtype=torch.float64))))
    except ValueError:
        return float("nan")
