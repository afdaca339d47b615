"""PCGrad: projects conflicting components of the task gradients away."""

from dataclasses import dataclass

from coterie.balancing.gradient import GradientBalancing, ScaledAggregator, make_torchjd_aggregator


@dataclass(frozen=True, kw_only=True)
class PCGrad(GradientBalancing):
    """Sum of the task gradients, each projected onto the normal plane of those it conflicts with.

    Gradient surgery (Yu et al. 2020, arXiv:2001.06782, algorithm 1), as in TorchJD. The order of
    the projections is random. The result is a sum, so its scale grows with the number of tasks.
    """

    def build_aggregator(self) -> ScaledAggregator:
        return make_torchjd_aggregator("PCGrad")
