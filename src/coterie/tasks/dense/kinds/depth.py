"""`Depth`: depth estimation."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from coterie.metrics.dense.depth_error import DepthError
from coterie.metrics.dense.labels import METRES, DepthScale, compute_masked_mean, mask_unlabelled
from coterie.tasks.dense.task import DenseTask, Label, Losses, MapBatch
from coterie.tasks.dense.visualize import (
    LegendEntry,
    Map,
    Visualization,
    apply_colormap,
    make_range_legend,
)


@dataclass(frozen=True, kw_only=True)
class Depth(DenseTask):
    """Depth estimation with an L1 loss on encoded labels; scored in metres.

    As in the released code of M3ViT (NYUD, metres) and Mod-Squad (Taskonomy, logarithms).

    Attributes:
        scale: the depth encoding of labels.
        report: the score, "rmse" or "abs_rel", see `DepthError`.
    """

    scale: DepthScale = METRES
    report: Literal["rmse", "abs_rel"] = "rmse"

    def check_label(self, label: Tensor, height: int, breadth: int) -> None:
        """Raise ValueError also for a depth below 0."""
        super().check_label(label, height, breadth)
        if bool((label < 0).any()):
            lowest = label[label < 0].min().item()
            raise ValueError(
                f"a label with the value {lowest:g}; a depth is 0 or more, and NaN where unknown"
            )

    def compute_loss(self, prediction: MapBatch, label: MapBatch) -> Losses:
        values, target, known = mask_unlabelled(prediction, label)
        return compute_masked_mean((values - target).abs(), known)

    def make_metric(self) -> DepthError:
        return DepthError(scale=self.scale, report=self.report)

    def visualize(self, prediction: Map, label: Map | None) -> Visualization:
        """Show near as violet and far as yellow."""
        return apply_colormap(prediction, label)

    def list_legend(self, prediction: Map) -> tuple[LegendEntry, ...]:
        """List the colours of near and far."""
        return make_range_legend("near", "far")

    def scale_label(self, label: Label, factor: float) -> Label:
        """Divide depth by the zoom factor: larger objects are nearer.

        As in Eigen et al. (arXiv:1406.2283) and the code of Vandenhende et al. (arXiv:2004.13379),
        on which M3ViT's is based.
        """
        return self.scale.encode(self.scale.decode(label) / factor)
