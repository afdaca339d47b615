"""The routing context of some of a model's tasks, as a mixture that serves these alone sees it."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from coterie.routing.context import RoutingContext


def select_tasks(context: RoutingContext, tasks: tuple[int, ...]) -> RoutingContext:
    """Return the context with task ids that are positions in `tasks`.

    Samples of other tasks have the first position: their rows are computed, in the shapes of the
    whole batch, and not used. All else, such as decisions that are cached, is the same object.
    """
    if context.task_ids is None:
        return context
    single = context.single_task
    own = context.task_positions.get(tasks)
    if own is None:
        own = context.task_positions[tasks] = _find_positions(context.task_ids, tasks)
    position = None if single is None else tasks.index(single) if single in tasks else 0
    return replace(
        context, task_ids=own, single_task=position, highest_task=None, present_tasks=None,
        task_positions={},
    )  # fmt: skip


def _find_positions(task_ids: Int[Tensor, " batch"], tasks: Sequence[int]) -> Int[Tensor, " batch"]:
    # Comparisons, because a lookup table would have to be copied to the device.
    own = torch.zeros_like(task_ids)
    for position, task in enumerate(tasks):
        own = own.masked_fill(task_ids == task, position)
    return own


def find_rows_of_tasks(
    context: RoutingContext, tasks: Sequence[int], tower: str, units: Sequence[int]
) -> Bool[Tensor, " rows"]:
    """Return whether each row of a call in `tower` is of one of the tasks.

    `units` and errors are as in `RoutingContext.get_task_of_rows`.
    """
    owners: Int[Tensor, " rows"] = context.get_task_of_rows(tower, units)
    return torch.stack([owners == task for task in tasks]).any(0)
