"""MGDA: the shortest vector in the convex hull of the task gradients."""

import math
from dataclasses import dataclass

from coterie.balancing.gradient import GradientBalancing, ScaledAggregator, make_torchjd_aggregator


@dataclass(frozen=True, kw_only=True)
class MGDA(GradientBalancing):
    """Convex combination of the task gradients with the least norm.

    The multiple-gradient descent algorithm (Desideri 2012), solved by Frank-Wolfe as in Sener and
    Koltun 2018 (arXiv:1810.04650, algorithm 2), as in TorchJD. Tasks with short gradients get the
    largest weights: a task that has nearly converged slows the others down.

    Attributes:
        epsilon: change of the weights below which the solver stops, above 0.
        max_iterations: most iterations of the solver, at least 1.
    """

    epsilon: float = 1e-3
    max_iterations: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < math.inf:
            raise ValueError(f"MGDA(epsilon={self.epsilon!r}): give a number above 0")
        if self.max_iterations < 1:
            given = f"max_iterations={self.max_iterations!r}"
            raise ValueError(f"MGDA({given}): give a number, at least 1")

    def build_aggregator(self) -> ScaledAggregator:
        return make_torchjd_aggregator("MGDA", epsilon=self.epsilon, max_iters=self.max_iterations)
