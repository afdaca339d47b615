"""What every balancing of task losses answers to."""

from abc import ABC, abstractmethod

from torch import nn


class Balancing(ABC):
    """Makes one loss of the losses of all tasks. Kinds are frozen keyword-only dataclasses."""

    @abstractmethod
    def build(self, tasks: int) -> nn.Module:
        """A module for so many tasks, with the parameters of the balancing, if it has any.

        It is called with `losses: Float[Tensor, " tasks"]`, float32, and
        `present: Bool[Tensor, " tasks"]`, which says what tasks have samples in the batch, and
        returns `Float[Tensor, ""]`. An absent task adds nothing, whatever its loss says (NaN, as
        the mean of nothing), but its parameters stay in the graph, with a gradient of 0.

        Raises ValueError if the choice does not fit so many tasks.
        """
