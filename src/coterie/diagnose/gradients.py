"""Gradients of the tasks' batches, their inner products, and the effect of a step on each task."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.tasks.gradients import ParameterSpace


@dataclass
class GradientMeasurements:
    """Measurements over the batches of all tasks.

    Attributes:
        products: inner products between the gradients of all batches, one tensor per space.
        losses: mean loss of each task.
        losses_after_step: loss of the column's task on its last batch, after a step on the row's.
        losses_before_step: the same before any step.
    """

    products: list[Float[Tensor, "groups tasks batches tasks batches"]] = field(
        default_factory=list
    )
    losses: list[float] = field(default_factory=list)
    losses_after_step: list[list[float]] = field(default_factory=list)
    losses_before_step: list[float] = field(default_factory=list)


def measure_gradients(
    loss: Callable[[int, int], Tensor],
    spaces: Sequence[ParameterSpace],
    *,
    tasks: int,
    batches: int,
    step: float,
    on_batch_end: Callable[[], object] = lambda: None,
) -> GradientMeasurements:
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
    """
    found = GradientMeasurements()
    vectors: list[list[list[Tensor]]] = [[] for _ in spaces]
    counts = [len(each.list_parameters()) for each in spaces]
    parameters = [each for one in spaces for each in one.list_parameters()]
    for task in range(tasks):
        mean: list[Tensor] = []
        values: list[float] = []
        for batch in range(batches):
            value = loss(task, batch)
            gradients = torch.autograd.grad(value, parameters, allow_unused=True)
            values.append(value.item())
            for i, part in enumerate(_split_gradients(gradients, counts)):
                vectors[i].append(spaces[i].flatten_gradients(part))
            if batch < batches // 2:
                mean = _accumulate(mean, gradients[: counts[0]], parameters, batches // 2)
            on_batch_end()
        found.losses.append(sum(values) / batches)
        found.losses_before_step.append(values[-1])
        own = sum(values[: batches // 2]) / (batches // 2)
        with take_step(parameters[: counts[0]], mean, step * own), torch.no_grad():
            found.losses_after_step.append(
                [loss(other, batches - 1).item() for other in range(tasks)]
            )
        on_batch_end()
    found.products = [_compute_inner_products(each, tasks, batches) for each in vectors]
    return found


def _split_gradients(
    gradients: Sequence[Tensor | None], counts: Sequence[int]
) -> Iterator[Sequence]:
    start = 0
    for count in counts:
        yield gradients[start : start + count]
        start += count


def _accumulate(
    mean: list[Tensor],
    gradients: Sequence[Tensor | None],
    parameters: Sequence[nn.Parameter],
    count: int,
) -> list[Tensor]:
    shares = [
        torch.zeros_like(parameter) if gradient is None else gradient / count
        for gradient, parameter in zip(gradients, parameters, strict=False)
    ]
    return [one + other for one, other in zip(mean, shares, strict=True)] if mean else shares


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


def _compute_inner_products(
    vectors: list[list[Tensor]], tasks: int, batches: int
) -> Float[Tensor, "groups tasks batches tasks batches"]:
    groups = []
    for group in range(len(vectors[0])):
        matrix = torch.stack([each[group] for each in vectors])
        groups.append((matrix @ matrix.t()).view(tasks, batches, tasks, batches))
    return torch.stack(groups)
