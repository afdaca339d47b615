"""`Subject`: the tasks and the model of a diagnosis, whatever the tasks are answered with."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from coterie.diagnose.gradients import ParameterSpace


class GradientSource(ABC):
    """What differs between tasks that are answered in words and tasks on pictures.

    Attributes:
        names: of the tasks that are compared.
        settings: what was chosen for this kind alone, as `Conflict.settings` is to hold it.
        paired: whether the tasks' batches of one number are of the same samples.
    """

    names: tuple[str, ...]
    settings: Mapping[str, Any]
    paired: bool

    @abstractmethod
    def sample_batches(self, batches: int, batch_size: int, *, seed: int) -> list[list[list[Any]]]:
        """Of each task, batches of samples that all differ; equal ones for equal seeds.

        Raises ValueError if a task has fewer samples than batches.
        """

    @abstractmethod
    def open_spaces(
        self, *, seed: int
    ) -> AbstractContextManager[tuple[nn.Module, Mapping[str, ParameterSpace]]]:
        """Inside, parameters need gradients; afterwards the model is what it was, bit for bit.

        Args:
            seed: of what is drawn.

        Yields:
            The model to call, and where gradients are taken, by the names of `Conflict.space`; in
            the first of them steps are tried.
        """

    @abstractmethod
    def compute_loss(self, model: nn.Module, task: int, batch: Sequence[Any]) -> Float[Tensor, ""]:
        """The mean loss of one of `drawn`'s batches, as in training."""


def split_into_batches(
    order: Sequence[int], batches: int, batch_size: int, *, task: str, has: str
) -> list[list[int]]:
    """The first of some numbers in batches: smaller ones where there are too few.

    Args:
        order: of rows.
        batches: how many.
        batch_size: of each at most.
        task: whose they are, for messages.
        has: what there are so many of, such as "rows in its 'train' split".

    Raises ValueError if there are fewer numbers than batches.
    """
    size = min(batch_size, len(order) // batches)
    if size < 1:
        raise ValueError(
            f"task {task!r} has {len(order)} {has}: {batches} batches of different samples need "
            "more; give fewer batches"
        )
    return [list(order[number * size : (number + 1) * size]) for number in range(batches)]
