"""The loss of every item of a batch, its sums by task, and what a training step minimises."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class ItemLosses(NamedTuple):
    """Float32 losses of a batch's items with the id of each item's task.

    An item is what a step's loss averages over, such as an answer token, or an image with a label.
    """

    losses: Float[Tensor, " items"]
    task_ids: Int[Tensor, " items"]


class TaskLossSums(NamedTuple):
    """Sums of item losses, and numbers of items, by task."""

    sums: Float[Tensor, " tasks"]
    counts: Float[Tensor, " tasks"]


def sum_by_task(found: ItemLosses, num_tasks: int) -> TaskLossSums:
    """Sum losses by task, in a fixed order, so that equal batches give equal bits."""
    of_task: Bool[Tensor, "tasks items"] = (
        found.task_ids == torch.arange(num_tasks, device=found.task_ids.device)[:, None]
    )
    return TaskLossSums(torch.where(of_task, found.losses, 0.0).sum(1), of_task.sum(1).float())


class PartLosses(NamedTuple):
    """Losses of one part of a step, with their graphs.

    Attributes:
        total: the balanced loss and the routing losses; logged, and minimised unless gradients
            are balanced.
        tasks: sums of the tasks' losses.
        routing: the routing losses, each divided by the number of parts.
    """

    total: Float[Tensor, ""]
    tasks: TaskLossSums
    routing: list[Float[Tensor, ""]]


def compute_objective(
    found: TaskLossSums, balancing: nn.Module, total: Float[Tensor, ""] | float
) -> Float[Tensor, ""]:
    """Compute the balanced loss of a part of a batch; the parts add up to the batch's loss.

    sum_t n_t / n balancing_t(L_t): each task's balanced mean loss, weighted by its share of the
    step's answer tokens. With `Fixed()` it is the mean over all tokens, as in other trainers;
    with `Uncertainty` it is the mean over tokens of the paper's likelihood. Only the task sampling
    thus decides how often a task occurs. Parts add up because both balancings are linear in the
    losses, up to a constant.

    Args:
        found: the sums of this part.
        balancing: what `Balancing.build` returned.
        total: n, the answer tokens of the optimizer step over all parts and devices; for dense
            tasks, the number of images, n_t being those with a label of task t. Where all are
            labelled, that makes it sum_t balancing_t(L_t), as in Mod-Squad and M3ViT.
    """
    means = found.sums / found.counts.clamp_min(1.0)
    alone = torch.eye(len(means), dtype=torch.bool, device=means.device)
    terms = torch.stack([balancing(means, present) for present in alone])
    return (terms * found.counts).sum() / total
