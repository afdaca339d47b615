"""Aligned-MTL: rescales the principal components of the task gradients to one length."""

from dataclasses import dataclass
from typing import Literal

from coterie.annotations import check_choices
from coterie.balancing.gradient import GradientBalancing, ScaledAggregator, make_torchjd_aggregator


@dataclass(frozen=True, kw_only=True)
class AlignedMTL(GradientBalancing):
    """Mean of the task gradients after their principal components are rescaled to one length.

    Independent component alignment (Senushkin et al. 2023, arXiv:2305.19000, algorithm 1), as in
    TorchJD.

    Attributes:
        scale_mode: source of the common length: the smallest ("min", as in the paper) or the
            median singular value of the gradients, or the root mean square of all ("rmse", as in
            the released code).
    """

    scale_mode: Literal["min", "median", "rmse"] = "min"

    def __post_init__(self) -> None:
        check_choices(self)

    def build_aggregator(self) -> ScaledAggregator:
        return make_torchjd_aggregator("AlignedMTL", scale_mode=self.scale_mode)
