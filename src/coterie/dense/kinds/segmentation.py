"""Which of a few classes each pixel is of."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from coterie.dense.labelled import mean_over
from coterie.dense.metrics.base import DenseMetric
from coterie.dense.metrics.mean_iou import MeanIoU
from coterie.dense.painting import Painted, classes
from coterie.dense.task import DenseTask


@dataclass(frozen=True, kw_only=True)
class Segmentation(DenseTask):
    """Semantic segmentation: softmax cross-entropy, mean over a picture's labelled pixels.

    In PASCAL-Context, `semseg` has 21 classes and `human_parts` 7, background being class 0.
    Loss and weights (1 and 2) as in M3ViT (arXiv:2210.14793) and its released code.

    Departs: the code means over the labelled pixels of the batch, so that a picture counts as much
    as is labelled of it; here the mean is of one picture, whose loss does not hang on the others.

    Attributes:
        classes: how many, at least 2.
        ignored: the label of pixels of which nothing is known; no class.
    """

    name: str
    weight: float = 1.0
    classes: int
    ignored: int = 255

    def __post_init__(self) -> None:
        super().__post_init__()
        self.metric()  # which refuses classes and ignored

    @property
    def channels(self) -> int:
        return self.classes

    @property
    def unknown(self) -> float:
        return float(self.ignored)

    def loss(
        self,
        prediction: Float[Tensor, "batch classes height breadth"],
        label: Int[Tensor, "batch height breadth"],
    ) -> Float[Tensor, " batch"]:
        losses = F.cross_entropy(
            prediction.float(), label, ignore_index=self.ignored, reduction="none"
        )
        return mean_over(losses, label != self.ignored)

    def metric(self) -> DenseMetric:
        return MeanIoU(classes=self.classes, ignored=self.ignored)

    def painted(
        self,
        prediction: Float[Tensor, "classes height breadth"],
        label: Int[Tensor, "height breadth"] | None,
    ) -> Painted:
        """A colour a class."""
        found = prediction.argmax(0)
        truth = None if label is None else classes(label, label != self.ignored)
        return Painted(truth, classes(found, torch.ones_like(found, dtype=torch.bool)))
