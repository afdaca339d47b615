"""`DenseTask`, the interface of dense tasks: labels, head output, loss and metric."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from coterie.annotations import check_choices
from coterie.file_names import check_file_name
from coterie.metrics.base import DenseMetric
from coterie.tasks.dense.visualize import (
    LegendEntry,
    Map,
    Visualization,
    apply_colormap,
    make_range_legend,
)

Label = Shaped[Tensor, "*label"]
Output = Float[Tensor, "channels *place"]
"""A task's head output for one image."""
Outputs = Float[Tensor, "batch channels *place"]
Constant = Float[Tensor, " channels"]
MapBatch = Float[Tensor, "batch 1 height breadth"]
MapsBatch = Float[Tensor, "batch channels height breadth"]
ClassesBatch = Float[Tensor, "batch classes"]
Losses = Float[Tensor, " batch"]
CERTAIN_LOGIT = 10.0
"""Of a probability above every threshold of a metric."""


@dataclass(frozen=True, kw_only=True)
class DenseTask(ABC):
    """One of several tasks on the same images. Kinds are frozen keyword-only dataclasses.

    A label is int64 [height, breadth] of classes, with `ignore_value` where unknown; or float32
    [channels, height, breadth], NaN where unknown; or float32 [channels] for image-level tasks.

    Attributes:
        name: the task's name in gates, heads and reports.
        weight: factor of its loss, above 0.
    """

    name: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        kind = type(self).__name__
        check_file_name(self.name, f"{kind}(...): name", kind="task")
        if not 0 < self.weight < math.inf:
            raise ValueError(f"{kind}(weight={self.weight!r}): give a number above 0")
        check_choices(self)
        self.make_metric()  # validates the fields that it takes

    @property
    def channels(self) -> int:
        """Number of head outputs per pixel or per image."""
        return 1

    @property
    def is_image_level(self) -> bool:
        """Whether there is one output per image instead of per pixel."""
        return False

    @property
    def ignore_value(self) -> float:
        """The label of unknown pixels."""
        return math.nan

    @property
    def label_dtype(self) -> torch.dtype:
        """The type of a label's values."""
        return torch.float32

    def get_label_shape(self, height: int, breadth: int) -> tuple[int, ...]:
        """Return the shape of a label of an image of a size."""
        return (self.channels,) if self.is_image_level else (self.channels, height, breadth)

    def check_label(self, label: Tensor, height: int, breadth: int) -> None:
        """Raise ValueError for a label of a wrong shape or type for an image of a size."""
        shape = self.get_label_shape(height, breadth)
        if tuple(label.shape) != shape:
            raise ValueError(
                f"a label of shape {list(label.shape)}; {type(self).__name__} needs {list(shape)} "
                f"for an image of {height} x {breadth}"
            )
        if label.dtype != self.label_dtype:
            raise ValueError(
                f"a label of {label.dtype}; {type(self).__name__} needs {self.label_dtype}"
            )
        if label.is_floating_point() and bool(label.isinf().any()):
            raise ValueError("a label that is infinite; give NaN where a value is unknown")

    @abstractmethod
    def compute_loss(self, prediction: Outputs, label: Shaped[Tensor, "batch *label"]) -> Losses:
        """Compute each image's loss in float32, without `weight`; 0 without labels."""

    def compute_weighted_losses(
        self, prediction: Outputs, batch: Mapping[str, Any]
    ) -> Float[Tensor, " samples"]:
        """Compute `weight` times the loss of each image that has a label in a collator's batch."""
        losses = self.compute_loss(prediction, batch["labels"][self.name])
        return self.weight * losses[batch["known"][self.name]]

    @abstractmethod
    def make_metric(self) -> DenseMetric:
        """Make the metric of predictions."""

    def compute_constant(self, labels: Iterable[Label]) -> Constant:
        """Compute the output for all images and pixels alike that labels suggest: their mean."""
        sums, counts = torch.zeros(2, self.channels, dtype=torch.float64)
        for label in labels:
            values = label.reshape(self.channels, -1).double()
            sums += values.nansum(1)
            counts += (~values.isnan()).sum(1)
        return (sums / counts).float()

    @abstractmethod
    def visualize(self, prediction: Output, label: Label | None) -> Visualization:
        """Render the output for one image, and its label, in the same colours, grey if unknown."""

    def list_legend(self, prediction: Output) -> tuple[LegendEntry, ...]:
        """List what the colours of `visualize` stand for, by default those of low and high."""
        return make_range_legend("low", "high")

    def flip_label(self, label: Label) -> Label:
        """Adapt the values to a horizontal flip, after the pixels have moved."""
        return label

    def rotate_label(self, label: Label, degrees: float) -> Label:
        """Adapt the values to a counter-clockwise rotation of the image."""
        return label

    def scale_label(self, label: Label, factor: float) -> Label:
        """Adapt the values to a zoom of the image by `factor`."""
        return label

    def finish_label(self, label: Label) -> Label:
        """Return the label that is trained on and scored, from that of the cropped image."""
        return label

    def renormalize_label(self, label: Label) -> Label:
        """Convert means of neighbouring values to valid label values."""
        return label


class BinaryTask(DenseTask):
    """A task with one logit and a label of 0 or 1 for each pixel."""

    def check_label(self, label: Tensor, height: int, breadth: int) -> None:
        """Raise ValueError also for a value that is not between 0 and 1."""
        super().check_label(label, height, breadth)
        wrong = label[(label < 0) | (label > 1)]
        if wrong.numel():
            raise ValueError(
                f"a label with the value {wrong[0].item():g}; {type(self).__name__} needs 0 or 1, "
                "and NaN where unknown"
            )

    def compute_constant(self, labels: Iterable[Label]) -> Constant:
        """Return the logit of a 1: the scores of these tasks are of the pixels that are 1."""
        return torch.tensor([CERTAIN_LOGIT])

    def visualize(self, prediction: Map, label: Map | None) -> Visualization:
        """Show 0 as violet and 1 as yellow, for the label and the predicted probability."""
        return apply_colormap(prediction.sigmoid(), label, (0.0, 1.0))

    def list_legend(self, prediction: Map) -> tuple[LegendEntry, ...]:
        """List the colours of probabilities."""
        return make_range_legend("probability 0", "1")

    def renormalize_label(self, label: Label) -> Label:
        """Round means of neighbouring pixels to 0 or 1; one half becomes 1."""
        return (label >= 0.5).to(label.dtype).where(~label.isnan(), label)
