"""PCGrad: conflicting components of the tasks' gradients are projected away."""

from dataclasses import dataclass

from torch import nn

from coterie.balancing.gradient import GradientBalancing
from coterie.balancing.torchjd_aggregator import make_torchjd_aggregator


@dataclass(frozen=True, kw_only=True)
class PCGrad(GradientBalancing):
    """Sum of the tasks' gradients, each projected onto the normal plane of those it conflicts with.

    Gradient surgery (Yu et al. 2020, arXiv:2001.06782, algorithm 1), as in TorchJD. Projections
    follow one another in random order. The result is a sum, so its scale grows with the tasks.
    """

    def build_aggregator(self) -> nn.Module:
        return make_torchjd_aggregator("PCGrad")
