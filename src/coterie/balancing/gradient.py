"""Gradient balancing: combinations of the task gradients, not the losses, by TorchJD."""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.balancing.base import Balancing
from coterie.balancing.fixed import Fixed
from coterie.optional_imports import import_optional

EXTRA = "gradients"


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


class ScaledAggregator(nn.Module):
    """An aggregator applied to gradients of Frobenius norm 1; the result is scaled back.

    All aggregators used here are positively homogeneous, A(s J) = s A(J), so this changes no
    result but for rounding. It matters for small gradients: TorchJD treats a Jacobian whose
    squared norm is below 1e-4 as 0 (`norm_eps`), and UPGrad and CAGrad then return a plain mean.
    Gradients of adapters are often that small.
    """

    def __init__(self, aggregator: nn.Module) -> None:
        super().__init__()
        self.aggregator = aggregator

    @torch.no_grad()
    def forward(self, gradients: Float[Tensor, "tasks parameters"]) -> Float[Tensor, " parameters"]:
        norm = gradients.norm()
        # A branch on the norm would synchronise with the GPU.
        scaled = gradients / norm.clamp_min(torch.finfo(gradients.dtype).tiny)
        return self.aggregator(scaled) * norm


def make_torchjd_aggregator(name: str, **options: Any) -> ScaledAggregator:
    """Return the aggregator of this class of torchjd.aggregation, such as "PCGrad".

    Raises ValueError, naming the extra to install, if TorchJD or a solver it needs is missing.
    """
    aggregation: Any = import_optional("torchjd.aggregation", EXTRA)
    try:
        return ScaledAggregator(getattr(aggregation, name)(**options))
    except ImportError as error:
        raise ValueError(
            f"balancing by {name} needs a solver that is not installed ({error}): "
            f"pip install 'coterie[{EXTRA}]'"
        ) from error
