"""`Segmentation`: semantic segmentation."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from coterie.metrics.dense.labels import compute_masked_mean
from coterie.metrics.dense.mean_iou import MeanIoU
from coterie.tasks.dense.task import Constant, DenseTask, Losses, Outputs
from coterie.tasks.dense.visualize import (
    LegendEntry,
    Maps,
    Visualization,
    color_classes,
    make_class_legend,
)

ClassMap = Int[Tensor, "*batch height breadth"]


@dataclass(frozen=True, kw_only=True)
class Segmentation(DenseTask):
    """Semantic segmentation: softmax cross-entropy, mean over an image's labelled pixels.

    In PASCAL-Context, `semseg` has 21 classes and `human_parts` 7, background being class 0.
    Loss and weights (1 and 2) as in M3ViT (arXiv:2210.14793) and its released code.

    Departs: the code averages over the labelled pixels of the batch, which weights images by their
    number of labels; here the mean is per image, so its loss does not depend on other images.

    Attributes:
        classes: number of classes, at least 2.
        ignore_index: the label of unknown pixels; not a class.
    """

    classes: int
    ignore_index: int = 255

    @property
    def channels(self) -> int:
        return self.classes

    @property
    def ignore_value(self) -> float:
        return float(self.ignore_index)

    @property
    def label_dtype(self) -> torch.dtype:
        return torch.int64

    def get_label_shape(self, height: int, breadth: int) -> tuple[int, ...]:
        return (height, breadth)

    def check_label(self, label: Tensor, height: int, breadth: int) -> None:
        """Raise ValueError also for a value that is no class."""
        super().check_label(label, height, breadth)
        wrong = label[(label != self.ignore_index) & ((label < 0) | (label >= self.classes))]
        if wrong.numel():
            raise ValueError(
                f"a label with the value {int(wrong[0])}: classes are 0 to {self.classes - 1}, and "
                f"{self.ignore_index} where unknown"
            )

    def compute_loss(self, prediction: Outputs, label: ClassMap) -> Losses:
        ignored = self.ignore_index
        losses = F.cross_entropy(prediction.float(), label, ignore_index=ignored, reduction="none")
        return compute_masked_mean(losses, label != ignored)

    def compute_constant(self, labels: Iterable[ClassMap]) -> Constant:
        """Return the logits of the most frequent class."""
        counts = torch.zeros(self.classes, dtype=torch.int64)
        for label in labels:
            counts += label[label != self.ignore_index].bincount(minlength=self.classes)
        return F.one_hot(counts.argmax(), self.classes).float()

    def make_metric(self) -> MeanIoU:
        return MeanIoU(classes=self.classes, ignore_index=self.ignore_index)

    def visualize(self, prediction: Maps, label: ClassMap | None) -> Visualization:
        """Show each class in its own colour."""
        found = prediction.argmax(0)
        truth = None if label is None else color_classes(label, label != self.ignore_index)
        return Visualization(truth, color_classes(found, torch.ones_like(found, dtype=torch.bool)))

    def list_legend(self, prediction: Maps) -> tuple[LegendEntry, ...]:
        """List the classes that are predicted somewhere."""
        return make_class_legend(prediction.argmax(0))
