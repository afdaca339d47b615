"""Gradients of single tasks: the parameters they are of, and the batches they are taken on."""

import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.tuner.layer import CoterieLayer

MAX_GRADIENT_ELEMENTS = 1 << 20
"""The length of a layer group's gradient vector at most."""
GROUPS_PER_TOWER = 5
"""Layer groups of each tower, about."""
LAYER_PATTERN = re.compile(r"\.(\d+)\.")
Parameters = dict[str, nn.Parameter]


@dataclass(frozen=True)
class ParameterSpace:
    """The parameters that gradients are taken of: layer group -> name -> parameter."""

    groups: Mapping[str, Parameters]

    def list_parameters(self) -> list[nn.Parameter]:
        return [each for group in self.groups.values() for each in group.values()]

    def flatten_gradients(self, gradients: Sequence[Tensor | None]) -> list[Tensor]:
        """Return a vector for each group, from the gradients of `list_parameters`; None is 0.

        Inner products of vectors are those of gradients. Groups of more than
        `MAX_GRADIENT_ELEMENTS` elements are folded: elements get fixed random signs, and those with
        equal positions modulo that number are added. Inner products are then right on average and
        off by about 1 / sqrt(MAX_GRADIENT_ELEMENTS), 0.001, of the norms' product (a count sketch,
        Charikar et al. 2002).
        """
        remaining = iter(gradients)
        vectors = []
        for group in self.groups.values():
            size = sum(each.numel() for each in group.values())
            vector = torch.zeros(min(size, MAX_GRADIENT_ELEMENTS))
            start = 0
            for name, parameter in group.items():
                gradient = next(remaining)
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
    position = start % len(vector)
    while len(numbers):
        fits = min(len(numbers), len(vector) - position)
        vector[position : position + fits] += numbers[:fits]
        numbers, position = numbers[fits:], 0


def group_parameters(named: Parameters, tower: Callable[[str], str]) -> ParameterSpace:
    """Group parameters by neighbouring layers, about `GROUPS_PER_TOWER` groups a tower.

    `tower` returns the part of the base model that a name is in; "text" is in no group's name.
    """
    by_layer: dict[tuple[str, int], Parameters] = {}
    for name, parameter in named.items():
        number = LAYER_PATTERN.search(name)
        key = tower(name), -1 if number is None else int(number[1])
        by_layer.setdefault(key, {})[name] = parameter
    groups: dict[str, Parameters] = {}
    for part, number in sorted(by_layer):
        title = part
        if number >= 0:
            layers = sorted(layer for other, layer in by_layer if other == part and layer >= 0)
            size = -(-len(layers) // GROUPS_PER_TOWER)
            position = layers.index(number) // size * size
            members = layers[position : position + size]
            first, last = members[0], members[-1]
            title = "" if part == "text" else f"{part} "
            title += f"layer {first}" if first == last else f"layers {first}-{last}"
        groups.setdefault(title, {}).update(by_layer[part, number])
    return ParameterSpace(groups)


def find_adapter_parameters(model: nn.Module, adapter: str, *, only: str = "") -> Parameters:
    """Have an adapter's parameters, or those named `only`, require gradients: "site.name" -> it."""
    found = {
        f"{part.site.layer_site.name}.{name}": parameter
        for module in model.modules()
        if isinstance(module, CoterieLayer)
        for part in module.get_parts(adapter)
        for weights in (part.experts, part.gate)
        if weights is not None
        for name, parameter in weights.named_parameters()
        if only in ("", name)
    }
    for parameter in found.values():
        parameter.requires_grad_(True)
    return found


def get_parameter_towers(names: Parameters, model: nn.Module) -> dict[str, str]:
    """Return the tower that each of an adapter's parameters is in: name -> tower."""
    towers = {
        part.site.layer_site.name: part.site.layer_site.tower
        for module in model.modules()
        if isinstance(module, CoterieLayer)
        for adapter in module.coterie_site
        for part in module.get_parts(adapter)
    }
    return {name: towers[name.rpartition(".")[0]] for name in names}


@contextmanager
def preserve_flags(model: nn.Module) -> Iterator[None]:
    """Put the model into eval mode, and restore `training` and `requires_grad` of what it had."""
    modes = {module: module.training for module in model.modules()}
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


OpenSpaces = tuple[nn.Module, Mapping[str, ParameterSpace]]


class GradientOptions(TypedDict):
    """What a diagnosis asks of `TaskSet.make_gradient_source`.

    Attributes:
        model_tasks: names of the model's tasks, in the order of its task ids.
        split: whose samples are used.
        skip_bad_rows: leave damaged samples out.
        at: where a shared LoRA is probed, as `Mixture.at`; None for the kind's default.
    """

    model_tasks: Sequence[str]
    split: str
    skip_bad_rows: bool
    at: Sequence[str] | None


class GradientSource(ABC):
    """Tasks and a loaded model; `TaskSet.make_gradient_source` makes it."""

    names: tuple[str, ...]
    settings: Mapping[str, Any]
    """The settings of this kind of task, for `Conflict.settings`."""
    paired: bool
    """Whether batches of the same index have the same samples for all tasks."""

    @abstractmethod
    def sample_batches(self, batches: int, batch_size: int, *, seed: int) -> list[list[list[Any]]]:
        """Sample batches of each task, all of different samples. Raises ValueError if too few."""

    @abstractmethod
    def open_spaces(self, *, seed: int) -> AbstractContextManager[OpenSpaces]:
        """Have the parameters of all spaces require gradients, inside the context.

        Afterwards the model is what it was, bit for bit. Newly initialised weights are `seed`'s.
        Yields the model to call, and the spaces by the names of `Conflict.space`; steps are tried
        in the first of them.
        """

    @abstractmethod
    def compute_loss(self, model: nn.Module, task: int, batch: Sequence[Any]) -> Float[Tensor, ""]:
        """Compute the mean loss of a batch of the task at this place, as in training."""


def split_into_batches(
    order: Sequence[int], batches: int, batch_size: int, *, task: str, has: str
) -> list[list[int]]:
    """Split the first indices into batches of equal size, `batch_size` if there are enough.

    Raises ValueError if there are fewer samples than batches, naming the task and what it `has`
    so many of, such as "rows in its 'train' split".
    """
    size = min(batch_size, len(order) // batches)
    if size < 1:
        raise ValueError(
            f"task {task!r} has {len(order)} {has}: {batches} batches of different samples need "
            "more; give fewer batches"
        )
    return [list(order[number * size : (number + 1) * size]) for number in range(batches)]
