"""`MeanIoU`: mean intersection over union of classes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch import Tensor

from coterie.metrics.base import DenseMetric, MapPrediction, Statistics, compute_ratios


@dataclass(frozen=True, kw_only=True)
class MeanIoU(DenseMetric):
    """Mean over classes, in percent, of intersection over union of all images' pixels.

    Predictions are logits; the class is the argmax. Pascal VOC's measure (Everingham et al.,
    2010), as M3ViT reports it.

    Departs: the released code scores a class as 0 if neither labels nor predictions have it; here
    it is skipped, as in torchmetrics. A full validation set has no such class, but a bootstrap
    sample may lack a rare one.

    Attributes:
        classes: number of classes, at least 2.
        ignore_index: the label of ignored pixels; not a class.
    """

    name = "mean_iou"
    classes: int
    ignore_index: int = 255

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise ValueError(f"MeanIoU(classes={self.classes!r}): give a number, at least 2")
        if 0 <= self.ignore_index < self.classes:
            raise ValueError(
                f"MeanIoU(ignore_index={self.ignore_index!r}): this is one of the {self.classes} "
                f"classes; give a number below 0 or from {self.classes} on"
            )

    def statistics(
        self, prediction: MapPrediction, label: Int[Tensor, "height breadth"]
    ) -> Statistics:
        """Compute for each class the numbers of correct, predicted and labelled pixels.

        Raises ValueError if a label is not a class.
        """
        found, right = prediction.values.argmax(0).cpu().numpy(), label.cpu().numpy()
        known = right != self.ignore_index
        found, right = found[known], right[known]
        strange = right[(right < 0) | (right >= self.classes)]
        if strange.size:
            raise ValueError(
                f"a label is {strange[0]}: classes are 0 to {self.classes - 1}, and "
                f"{self.ignore_index} where nothing is known"
            )
        parts = found[found == right], found, right
        return np.concatenate([np.bincount(x, minlength=self.classes) for x in parts]).astype(float)

    def score(self, total: Statistics) -> float:
        both, found, right = total.reshape(3, -1)
        return float(100 * compute_ratios(both, found + right - both).mean())
