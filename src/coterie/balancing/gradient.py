"""The interface of gradient balancing, which combines the task gradients, not the losses."""

from abc import abstractmethod

from torch import nn

from coterie.balancing.base import Balancing
from coterie.balancing.fixed import Fixed


class GradientBalancing(Balancing):
    """A combination of the task gradients. Kinds are frozen keyword-only dataclasses.

    An optimizer step takes the gradient of each task's mean loss over the step, with one backward
    pass for each task, so a step takes longer with every task (`coterie.train.task_gradients`).
    The log's "loss" is the mean over the step's items, as with `Fixed()`.
    """

    def build(self, tasks: int) -> nn.Module:
        """Return the module of the logged loss, which is not differentiated."""
        return Fixed().build(tasks)

    @abstractmethod
    def build_aggregator(self) -> nn.Module:
        """Return the module that combines the task gradients.

        It is called with `gradients: Float[Tensor, "tasks parameters"]`, float32 and finite, one
        row for each task with samples in the step, at least one, and returns
        `Float[Tensor, " parameters"]`, the gradient that the optimizer follows. It has no
        parameters and no state; random numbers come from torch's default generator, whose state
        is part of a checkpoint, so that a resumed run equals an uninterrupted one.

        Raises ValueError if a package that it needs is not installed.
        """
