"""IMTL-G: the direction with equal projections onto all task gradients."""

from dataclasses import dataclass

from coterie.balancing.gradient import GradientBalancing, ScaledAggregator, make_torchjd_aggregator


@dataclass(frozen=True, kw_only=True)
class IMTLG(GradientBalancing):
    """Combination of the task gradients whose projections onto each of them are equal.

    The gradient part of impartial multi-task learning (Liu et al., ICLR 2021), as generalised to
    linearly dependent gradients in arXiv:2406.16232, as in TorchJD.
    """

    def build_aggregator(self) -> ScaledAggregator:
        return make_torchjd_aggregator("IMTLG")
