"""CAGrad: the direction near the mean gradient that decreases the worst-off task's loss most."""

from dataclasses import dataclass

from coterie.balancing.gradient import GradientBalancing, ScaledAggregator, make_torchjd_aggregator


@dataclass(frozen=True, kw_only=True)
class CAGrad(GradientBalancing):
    """Direction in a ball around the mean gradient with the largest decrease of the worst task.

    Conflict-averse gradient descent (Liu et al. 2021, arXiv:2110.14048, algorithm 1), as in
    TorchJD. The released code divides the result by 1 + c^2 by default; this does not.

    Attributes:
        c: radius of the ball relative to the norm of the mean gradient, in [0, 1). 0 is the mean
            gradient; the paper uses 0.4 on NYU-v2 and Cityscapes.
    """

    c: float = 0.4

    def __post_init__(self) -> None:
        if not 0 <= self.c < 1:
            raise ValueError(f"CAGrad(c={self.c!r}): give a number in [0, 1)")

    def build_aggregator(self) -> ScaledAggregator:
        return make_torchjd_aggregator("CAGrad", c=self.c)
