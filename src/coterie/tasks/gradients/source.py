"""`GradientSource`: the batches, losses and parameters that a diagnosis compares tasks by."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from coterie.tasks.gradients.parameter_space import ParameterSpace


class GradientSource(ABC):
    """Tasks and a loaded model; `TaskSet.make_gradient_source` makes it.

    Attributes:
        names: of the tasks that are compared.
        settings: the settings of this kind of task, for `Conflict.settings`.
        paired: whether batches of the same index have the same samples for all tasks.
    """

    names: tuple[str, ...]
    settings: Mapping[str, Any]
    paired: bool

    @abstractmethod
    def sample_batches(self, batches: int, batch_size: int, *, seed: int) -> list[list[list[Any]]]:
        """Sample batches of each task without replacement; equal seeds give equal batches.

        Raises ValueError if a task has fewer samples than batches.
        """

    @abstractmethod
    def open_spaces(
        self, *, seed: int
    ) -> AbstractContextManager[tuple[nn.Module, Mapping[str, ParameterSpace]]]:
        """Have the parameters of all spaces require gradients, inside the context.

        Afterwards the model is what it was, bit for bit.

        Args:
            seed: of newly initialised weights.

        Yields:
            The model to call, and the spaces by the names of `Conflict.space`; steps are tried in
            the first of them.
        """

    @abstractmethod
    def compute_loss(self, model: nn.Module, task: int, batch: Sequence[Any]) -> Float[Tensor, ""]:
        """Compute the mean loss of one of `sample_batches`' batches, as in training.

        Args:
            model: that of `open_spaces`.
            task: index into `names`.
            batch: one of the task's.
        """


def split_into_batches(
    order: Sequence[int], batches: int, batch_size: int, *, task: str, has: str
) -> list[list[int]]:
    """Split the first indices into batches of equal size.

    Args:
        order: indices of samples.
        batches: how many.
        batch_size: of each at most; smaller where there are too few samples.
        task: its name, for messages.
        has: what the task has so many of, such as "rows in its 'train' split".

    Raises ValueError if there are fewer samples than batches.
    """
    size = min(batch_size, len(order) // batches)
    if size < 1:
        raise ValueError(
            f"task {task!r} has {len(order)} {has}: {batches} batches of different samples need "
            "more; give fewer batches"
        )
    return [list(order[number * size : (number + 1) * size]) for number in range(batches)]
