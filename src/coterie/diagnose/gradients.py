"""Gradients of tasks' losses: kept small enough to compare many, and tried out one step ahead."""

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

MAX_GRADIENT_ELEMENTS = 1 << 20  # numbers that are kept of a layer group's gradient
GROUPS_PER_TOWER = 5  # of each tower's layers, about
LAYER_PATTERN = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class ParameterSpace:
    """The parameters that gradients are taken of, by layer group.

    Attributes:
        groups: group -> names and parameters in it, in the order of the model.
    """

    groups: Mapping[str, Mapping[str, nn.Parameter]]

    def list_parameters(self) -> list[nn.Parameter]:
        """All of them, group by group."""
        return [each for group in self.groups.values() for each in group.values()]

    def flatten_gradients(self, gradients: Sequence[Tensor | None]) -> list[Tensor]:
        """A vector a group, whose inner products are the gradients'.

        Groups of more than `LARGEST` numbers are folded: numbers get fixed random signs, and
        those whose places are equal modulo `LARGEST` are added. Inner products are right on
        average and off by about 1 / sqrt(LARGEST), 0.001, of the norms' product (a count sketch,
        Charikar et al. 2002). Parameters without a gradient count as 0.
        """
        left = iter(gradients)
        vectors = []
        for group in self.groups.values():
            size = sum(each.numel() for each in group.values())
            vector = torch.zeros(min(size, MAX_GRADIENT_ELEMENTS))
            start = 0
            for name, parameter in group.items():
                gradient = next(left)
                if gradient is not None:
                    _add(vector, gradient, start, name if size > MAX_GRADIENT_ELEMENTS else None)
                start += parameter.numel()
            vectors.append(vector)
        return vectors


def _add(vector: Tensor, gradient: Tensor, start: int, name: str | None) -> None:
    numbers = gradient.detach().flatten().float().cpu()
    if name is not None:
        random = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        signs = torch.randint(2, numbers.shape, generator=random, dtype=torch.int8)
        numbers = numbers * (2 * signs - 1)
    place = start % len(vector)
    while len(numbers):
        fits = min(len(numbers), len(vector) - place)
        vector[place : place + fits] += numbers[:fits]
        numbers, place = numbers[fits:], 0


def group_parameters(
    named: Mapping[str, nn.Parameter], tower: Callable[[str], str]
) -> ParameterSpace:
    """Parameters in groups of neighbouring layers, about `GROUPS` a tower.

    Args:
        named: parameters by their modules' names in the host and their own.
        tower: the part of the host that a module is in; "text" is left out of the groups' names.
    """
    by_layer: dict[tuple[str, int | None], dict[str, nn.Parameter]] = {}
    for name, parameter in named.items():
        number = LAYER_PATTERN.search(name)
        key = tower(name), None if number is None else int(number[1])
        by_layer.setdefault(key, {})[name] = parameter
    layers: dict[str, list[int]] = {}
    for part, number in by_layer:
        if number is not None:
            layers.setdefault(part, []).append(number)
    groups: dict[str, dict[str, nn.Parameter]] = {}
    for (part, number), parameters in sorted(by_layer.items(), key=_get_sort_key):
        title = part if number is None else _format_group_title(part, number, sorted(layers[part]))
        groups.setdefault(title, {}).update(parameters)
    return ParameterSpace(groups)


def _get_sort_key(item: tuple[tuple[str, int | None], object]) -> tuple[str, int]:
    (part, number), _ = item
    return part, -1 if number is None else number


def _format_group_title(part: str, number: int, layers: list[int]) -> str:
    size = -(-len(layers) // GROUPS_PER_TOWER)
    position = layers.index(number) // size * size
    members = layers[position : position + size]
    first, last = members[0], members[-1]
    several = f"layer {first}" if first == last else f"layers {first}-{last}"
    return several if part == "text" else f"{part} {several}"


@dataclass
class GradientMeasurements:
    """What a pass over all tasks' batches gives.

    Attributes:
        products: inner products between all batches' gradients, one tensor a space.
        losses: mean loss of each task.
        after: loss of the column's task on its last batch, after a step on the row's.
        before: the same before any step.
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
    """Gradients of every batch in every space, and steps tried in the first of them.

    A step follows the mean gradient of the first half of a task's batches, so far that the
    task's own loss would fall by the share `step`, if it were as straight as its gradient says;
    its effect is measured on the last batch of every task, which is never among those.

    Args:
        loss: (task, batch) -> the batch's loss, with its graph.
        spaces: at least one; the parameters need gradients.
        tasks: how many.
        batches: of a task, at least 2.
        step: in (0, 1).
        tick: told after each batch.
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
    """Inside, the parameters are a step down the gradient: `fall` of loss to first order.

    Afterwards they are what they were, bit for bit.
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
