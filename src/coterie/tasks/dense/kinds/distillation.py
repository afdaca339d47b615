"""`Distillation`: image classification towards a teacher's probabilities."""

from dataclasses import dataclass
from typing import Literal

from coterie.metrics.dense.labels import compute_masked_mean, mask_unlabelled
from coterie.metrics.dense.top1 import Top1
from coterie.tasks.dense.task import ClassesBatch, DenseTask, Losses
from coterie.tasks.dense.visualize import Classes, LegendEntry, Visualization, draw_bar_charts


@dataclass(frozen=True, kw_only=True)
class Distillation(DenseTask):
    """Image classification towards a soft target, with one output per class.

    "mse" is the mean over classes of squared differences between output and target, without a
    softmax, as in the released code of Mod-Squad; "cross_entropy" is
    -sum(target * log softmax(output)). A target with a NaN is ignored.

    Attributes:
        classes: number of classes, at least 2.
        criterion: the loss, "mse" or "cross_entropy".
    """

    classes: int
    criterion: Literal["mse", "cross_entropy"] = "mse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes < 2:
            raise ValueError(f"Distillation(classes={self.classes!r}): give a number, at least 2")

    @property
    def channels(self) -> int:
        return self.classes

    @property
    def is_image_level(self) -> bool:
        return True

    def compute_loss(self, prediction: ClassesBatch, label: ClassesBatch) -> Losses:
        values, target, known = mask_unlabelled(prediction, label)
        known = known.all(1, keepdim=True)
        if self.criterion == "mse":
            return compute_masked_mean((values - target).square(), known.expand_as(values))
        return compute_masked_mean(-(target * values.log_softmax(1)).sum(1, keepdim=True), known)

    def make_metric(self) -> Top1:
        return Top1()

    def list_legend(self, prediction: Classes) -> tuple[LegendEntry, ...]:
        """List nothing: each bar is a class, in their order."""
        return ()

    def visualize(self, prediction: Classes, label: Classes | None) -> Visualization:
        """Draw a bar per class for the target and for the output or its softmax."""
        output = prediction if self.criterion == "mse" else prediction.softmax(0)
        return draw_bar_charts(output, label)
