"""The loss of every item of a batch, and its sums by task."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


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
