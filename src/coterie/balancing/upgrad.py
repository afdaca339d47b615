"""UPGrad: projects each task gradient so that it conflicts with no other."""

from dataclasses import dataclass

from coterie.balancing.gradient import GradientBalancing, ScaledAggregator, make_torchjd_aggregator


@dataclass(frozen=True, kw_only=True)
class UPGrad(GradientBalancing):
    """Mean of the task gradients, each projected onto the dual cone of all of them.

    The result has no negative inner product with any task's gradient (Quinton and Rey 2024,
    arXiv:2406.16232, section 4), as in TorchJD. Its scale is that of the mean of the gradients.
    """

    def build_aggregator(self) -> ScaledAggregator:
        return make_torchjd_aggregator("UPGrad")
