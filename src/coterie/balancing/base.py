"""The interface of task balancing: how the losses of several tasks train one model."""

from abc import ABC, abstractmethod

from torch import nn


class Balancing(ABC):
    """How the losses of several tasks train one model. Kinds are frozen keyword-only dataclasses.

    There are two sorts. One weighs the losses and follows the gradient of their sum (`build`).
    The other combines the gradients of the single tasks' losses: see `GradientBalancing`.
    """

    @abstractmethod
    def build(self, tasks: int) -> nn.Module:
        """Return a module for this many tasks, with the parameters of the balancing, if any.

        It is called with `losses: Float[Tensor, " tasks"]`, float32, and
        `present: Bool[Tensor, " tasks"]`, True for tasks with samples in the batch, and returns
        `Float[Tensor, ""]`. An absent task adds nothing, whatever its loss is (NaN, as the mean
        of no values), but its parameters stay in the graph, with a gradient of 0.

        Raises ValueError if the kind's settings do not fit this many tasks.
        """

    def build_aggregator(self) -> nn.Module | None:
        """Return the module that combines the tasks' gradients, as `GradientBalancing` has it.

        None if the gradient of the loss that `build`'s module returns is what trains the model.
        """
        return None
