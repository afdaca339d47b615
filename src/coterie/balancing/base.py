"""The interface of task balancing: how the losses of several tasks train one model."""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float
from torch import Tensor, nn

TaskLosses = Float[Tensor, " tasks"]
TaskMask = Bool[Tensor, " tasks"]


class Balancing(ABC):
    """A method that trains one model on several losses. Kinds are frozen keyword-only dataclasses.

    Loss balancing weighs the losses and follows the gradient of their sum (`build`). Gradient
    balancing combines the gradients of the single tasks' losses: see `GradientBalancing`.
    """

    @abstractmethod
    def build(self, tasks: int) -> nn.Module:
        """Return a module for this many tasks, with the parameters of the balancing, if any.

        It is called with `losses: TaskLosses`, float32, and `present: TaskMask`, True for tasks
        with samples in the batch, and returns `Float[Tensor, ""]`. An absent task adds nothing,
        even if its loss is NaN, but its parameters stay in the graph, with a gradient of 0.

        Raises ValueError if the kind's settings do not fit this many tasks.
        """

    def build_aggregator(self) -> nn.Module | None:
        """Return the module that combines the task gradients; None to follow that of `build`'s."""
        return None
