"""Cosines between the gradients of tasks, with intervals over batches."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

INTERVAL_STANDARD_ERRORS = 2.0


@dataclass(frozen=True, kw_only=True)
class GradientCosines:
    """Cosines between the tasks' mean gradients (Yu et al. 2020, PCGrad, arXiv:2001.06782, def. 1).

    Attributes:
        cosine: by layer group; NaN where a task has no gradient.
        overall: over all layers together.
        low: overall, minus two standard errors over batches.
        high: overall, plus two standard errors.
        within_task: of each task, the cosine between the mean gradients of the two halves of its
            batches: how much of its gradient is the task's, and not the batch's.
    """

    cosine: Float[Tensor, "groups tasks tasks"]
    overall: Float[Tensor, "tasks tasks"]
    low: Float[Tensor, "tasks tasks"]
    high: Float[Tensor, "tasks tasks"]
    within_task: Float[Tensor, " tasks"]

    @property
    def conflicting_pairs(self) -> Bool[Tensor, "tasks tasks"]:
        """Whether the interval of each pair is entirely below 0."""
        return self.high < 0


def compute_gradient_cosines(
    products: Float[Tensor, "groups tasks batches tasks batches"], *, paired: bool = False
) -> GradientCosines:
    """Compute cosines from the inner products of all batches' gradients, by layer group.

    The mean of the products of two tasks' batches is the product of their mean gradients. Its
    standard error is that of a two-sample U statistic: means of rows and of columns vary each
    with their own batches, or jointly where batches have the same samples. Norms are treated as
    exact.

    Args:
        products: at least 2 batches per task.
        paired: whether batches of the same index have the same samples for all tasks.
    """
    products = products.double()
    total = products.sum(0)
    means = total.mean((1, 3))
    norms = means.diagonal().clamp_min(0).sqrt()
    scale = norms[:, None] * norms
    batches = products.shape[2]
    rows, columns = total.mean(3), total.mean(1).transpose(1, 2)
    variance = (rows + columns).var(1) if paired else rows.var(1) + columns.var(1)
    error = INTERVAL_STANDARD_ERRORS * (variance / batches).sqrt()
    return GradientCosines(
        cosine=_compute_cosines(products.mean((2, 4))),
        overall=_compute_cosines(means[None])[0],
        low=(means - error) / scale,
        high=(means + error) / scale,
        within_task=_compute_within_task(total),
    )


def _compute_cosines(
    means: Float[Tensor, "groups tasks tasks"],
) -> Float[Tensor, "groups tasks tasks"]:
    norms = means.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
    return (means / (norms[:, :, None] * norms[:, None])).clamp(-1, 1)


def _compute_within_task(
    whole: Float[Tensor, "tasks batches tasks batches"],
) -> Float[Tensor, " tasks"]:
    own = torch.stack([whole[task, :, task] for task in range(len(whole))])
    half = own.shape[1] // 2
    first, second = own[:, :half], own[:, half:]
    across = first[:, :, half:].mean((1, 2))
    alone = first[:, :, :half].mean((1, 2)) * second[:, :, half:].mean((1, 2))
    return across / alone.clamp_min(0).sqrt()
