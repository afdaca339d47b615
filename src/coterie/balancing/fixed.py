"""A weighted sum of the task losses with constant weights."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.balancing.base import Balancing, TaskLosses, TaskMask


@dataclass(frozen=True, kw_only=True)
class Fixed(Balancing):
    """Constant task weights: sum_t weight_t L_t over the tasks in the batch.

    Attributes:
        weights: one a task, each finite and at least 0; None for 1 each.
    """

    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not all(0 <= weight < math.inf for weight in self.weights or ()):
            raise ValueError(f"Fixed(weights={self.weights}): give finite numbers, at least 0")

    def build(self, tasks: int) -> nn.Module:
        weights = (1.0,) * tasks if self.weights is None else self.weights
        if len(weights) != tasks:
            raise ValueError(
                f"Fixed(weights={weights}) has {len(weights)} weights for {tasks} tasks: "
                "give one a task, or None for 1 each"
            )
        return FixedSum(weights)


class FixedSum(nn.Module):
    """The module of `Fixed`; it has no parameters and saves nothing."""

    weights: Tensor

    def __init__(self, weights: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights).float(), persistent=False)

    def forward(self, losses: TaskLosses, present: TaskMask) -> Float[Tensor, ""]:
        return (self.weights * losses.where(present, 0.0)).sum()
