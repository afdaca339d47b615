"""Losses of dense tasks: one for each image and task with a label."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.tasks.dense.task import DenseTask
from coterie.tasks.losses import ItemLosses


def compute_task_losses(
    task: DenseTask, prediction: Float[Tensor, "batch channels *place"], batch: Mapping[str, Any]
) -> Float[Tensor, " samples"]:
    """Compute the loss of each image that has a label of a task, times the task's weight.

    Args:
        task: a task with a label in the batch.
        prediction: the output of its head.
        batch: a batch of `DenseCollator`.
    """
    losses = task.compute_loss(prediction, batch["labels"][task.name])
    return task.weight * losses[batch["known"][task.name]]


def compute_batch_losses(
    predictions: Mapping[str, Tensor],
    tasks: Iterable[tuple[int, DenseTask]],
    batch: Mapping[str, Any],
) -> ItemLosses:
    """Compute the losses of a batch.

    Args:
        predictions: task name -> output of its head.
        tasks: id and task of the trained tasks.
        batch: a batch of `DenseCollator`.
    """
    # Empty losses, so that heads without a label are in the graph with a gradient of 0.
    found = [each.flatten()[:0].float() for each in predictions.values()]
    numbers = [torch.empty(0, dtype=torch.int64, device=found[0].device)]
    for number, task in tasks:
        if task.name not in batch["labels"]:
            continue
        losses = compute_task_losses(task, predictions[task.name], batch)
        found.append(losses)
        numbers.append(torch.full_like(losses, number, dtype=torch.int64))
    return ItemLosses(torch.cat(found), torch.cat(numbers))
