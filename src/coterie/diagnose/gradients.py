"""Gradients of the tasks' batches: inner products, cosines, and the effect of a step on tasks."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.diagnose.conflict import Conflict, Matrix
from coterie.tasks.gradients import ParameterSpace

INTERVAL_STANDARD_ERRORS = 2.0
Products = Float[Tensor, "groups tasks batches tasks batches"]


def measure_gradients(
    loss: Callable[[int, int], Tensor],
    spaces: Sequence[ParameterSpace],
    *,
    tasks: int,
    batches: int,
    step: float,
    on_batch_end: Callable[[], object] = lambda: None,
) -> tuple[list[Products], tuple[float, ...], Matrix]:
    """Measure the gradient of every batch in every space, and try steps in the first space.

    A step follows the mean gradient of the first half of a task's batches, of such a length that
    the task's own loss would fall by the share `step` to first order. Its effect is measured on
    the last batch of every task, which is never in that half.

    Args:
        loss: (task, batch) -> the batch's loss, with its graph.
        spaces: at least one; the parameters need gradients.
        tasks: the number of tasks.
        batches: of a task, at least 2.
        step: in (0, 1).
        on_batch_end: called after each batch and each step.

    Returns:
        Inner products between the gradients of all batches, one tensor per space; the mean loss of
        each task; and the relative change of the loss of the column's task on its last batch after
        a step on the row's, NaN where it was 0.
    """
    values: list[list[float]] = [[] for _ in range(tasks)]
    after: list[list[float]] = []
    vectors: list[list[list[Tensor]]] = [[] for _ in spaces]
    by_space = [each.list_parameters() for each in spaces]
    parameters = [parameter for each in by_space for parameter in each]
    half = batches // 2
    for task in range(tasks):
        mean = [torch.zeros_like(parameter) for parameter in by_space[0]]
        for batch in range(batches):
            value = loss(task, batch)
            values[task].append(value.item())
            remaining = iter(torch.autograd.grad(value, parameters, allow_unused=True))
            parts = [list(islice(remaining, len(each))) for each in by_space]
            for held, space, gradients in zip(vectors, spaces, parts, strict=True):
                held.append(space.flatten_gradients(gradients))
            for total, gradient in zip(mean, parts[0], strict=True):
                if batch < half and gradient is not None:
                    total.add_(gradient / half)
            on_batch_end()
        own = sum(values[task][:half]) / half
        with take_step(by_space[0], mean, step * own), torch.no_grad():
            after.append([loss(other, batches - 1).item() for other in range(tasks)])
        on_batch_end()
    products = [_compute_inner_products(each, tasks, batches) for each in vectors]
    before = [each[-1] for each in values]
    transfer = tuple(
        tuple(new / old - 1 if old else math.nan for new, old in zip(row, before, strict=True))
        for row in after
    )
    return products, tuple(sum(each) / batches for each in values), transfer


@contextmanager
def take_step(
    parameters: Sequence[nn.Parameter], gradient: Sequence[Tensor], fall: float
) -> Iterator[None]:
    """Move the parameters down the gradient, by `fall` of loss to first order, inside the context.

    They are restored afterwards, bit for bit.
    """
    square = sum(float(each.double().square().sum()) for each in gradient)
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        with torch.no_grad():
            for parameter, each in zip(parameters, gradient, strict=True):
                parameter.sub_(each, alpha=fall / square if square else 0.0)
        yield
    finally:
        with torch.no_grad():
            for parameter, each in zip(parameters, before, strict=True):
                parameter.copy_(each)


def _compute_inner_products(vectors: list[list[Tensor]], tasks: int, batches: int) -> Products:
    matrices = [torch.stack(group) for group in zip(*vectors, strict=True)]
    return torch.stack(
        [(each @ each.t()).view(tasks, batches, tasks, batches) for each in matrices]
    )


def compute_conflict(products: Products, *, paired: bool = False, **labels: Any) -> Conflict:
    """Compute the cosines of a `Conflict` from the inner products of all batches' gradients.

    The mean of the products of two tasks' batches is the product of their mean gradients. Its
    standard error is that of a two-sample U statistic: means of rows and of columns vary each
    with their own batches, or jointly where batches have the same samples. Norms are treated as
    exact. A cosine is NaN where a task has no gradient.

    Args:
        products: at least 2 batches per task.
        paired: whether batches of the same index have the same samples for all tasks.
        labels: the other fields of the `Conflict`, such as tasks, groups, space and losses.
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
    own = torch.stack([total[task, :, task] for task in range(len(total))])
    half = batches // 2
    across = own[:, :half, half:].mean((1, 2))
    alone = own[:, :half, :half].mean((1, 2)) * own[:, half:, half:].mean((1, 2))
    overall = _compute_cosines(means[None])[0]
    pairs = overall[*torch.triu_indices(len(means), len(means), 1)]
    return Conflict(
        cosine=tuple(map(_to_matrix, _compute_cosines(products.mean((2, 4))))),
        overall=_to_matrix(overall),
        low=_to_matrix((means - error) / scale),
        high=_to_matrix((means + error) / scale),
        within_task=tuple((across / alone.clamp_min(0).sqrt()).tolist()),
        negative_share=(pairs[~pairs.isnan()] < 0).double().mean().item(),
        **labels,
    )


def _compute_cosines(
    means: Float[Tensor, "groups tasks tasks"],
) -> Float[Tensor, "groups tasks tasks"]:
    norms = means.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
    return (means / (norms[:, :, None] * norms[:, None])).clamp(-1, 1)


def _to_matrix(values: Float[Tensor, "tasks tasks"]) -> Matrix:
    return tuple(map(tuple, values.tolist()))
