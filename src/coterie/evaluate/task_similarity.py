"""Similarity of tasks by the experts they share, and the dendrogram of its clustering."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.optional_imports import import_optional

Likeness = Float[Tensor, "tasks tasks"]


@dataclass(frozen=True, kw_only=True)
class TaskDendrogram:
    """Tasks, merged two groups at a time, the most similar first.

    Attributes:
        tasks: in the given order; numbers 0 to n - 1 in `merges`.
        order: the tasks in an order without crossing branches.
        merges: (group, group, distance in [0, 1], tasks in both); the i-th merge makes group
            n + i. Average linkage: the distance of groups is the mean over their tasks.
        lines: to plot each merge as three strokes: four positions along the tasks (task i of
            `order` is at 10 i + 5), and the four distances.
    """

    tasks: tuple[str, ...]
    order: tuple[str, ...]
    merges: tuple[tuple[int, int, float, int], ...]
    lines: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]


def compute_choice_overlap(frequencies: Float[Tensor, "tasks experts"]) -> Likeness:
    """Compute the share of their choices that two tasks have in common, in [0, 1]; 1 for equal.

    sum_e min(a_e, b_e), where each task's choices are divided by their sum: routers such as RoDE's
    give weights of any sum. How often each task chooses an expert counts, not whether both choose
    it for the same token.
    """
    rows = frequencies.double()
    rows = rows / rows.sum(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    return torch.minimum(rows[:, None], rows[None]).sum(-1)


def cluster_tasks(tasks: Sequence[str], likeness: Likeness) -> TaskDendrogram:
    """Cluster tasks by 1 - likeness, with average linkage (`scipy.cluster.hierarchy`).

    Raises ValueError if there is no task, or scipy is not installed.
    """
    if not tasks or likeness.shape != (len(tasks), len(tasks)):
        raise ValueError(
            f"likeness is {tuple(likeness.shape)} for {len(tasks)} tasks: give a square of them"
        )
    names = tuple(tasks)
    if len(names) == 1:
        return TaskDendrogram(tasks=names, order=names, merges=(), lines=())
    hierarchy = import_optional("scipy.cluster.hierarchy", "evaluate")
    upper = torch.triu_indices(len(tasks), len(tasks), 1)
    distances = (1 - likeness.double()).clamp_min(0)[upper[0], upper[1]]
    linked = hierarchy.linkage(distances.numpy(), method="average", optimal_ordering=True)
    drawn = hierarchy.dendrogram(linked, no_plot=True)
    return TaskDendrogram(
        tasks=names,
        order=tuple(names[leaf] for leaf in drawn["leaves"]),
        merges=tuple((int(a), int(b), float(far), int(count)) for a, b, far, count in linked),
        lines=tuple(
            (tuple(map(float, xs)), tuple(map(float, ys)))
            for xs, ys in zip(drawn["icoord"], drawn["dcoord"], strict=True)
        ),
    )
