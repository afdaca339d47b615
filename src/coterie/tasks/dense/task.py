"""`DenseTask`, the interface of dense tasks: labels, head output, loss and metric."""

import math
from abc import ABC, abstractmethod

from jaxtyping import Float, Shaped
from torch import Tensor

from coterie.metrics.dense.base import DenseMetric
from coterie.tasks.dense.visualize import Visualization


class DenseTask(ABC):
    """One of several tasks on the same images. Kinds are frozen keyword-only dataclasses.

    A label is int64 [height, breadth] of classes, with `ignore_value` where unknown; or float32
    [channels, height, breadth], NaN where unknown; or float32 [channels] for image-level tasks.

    Attributes:
        name: the task's name in gates, heads and reports.
        weight: factor of its loss, above 0.
    """

    name: str
    weight: float

    def __post_init__(self) -> None:
        kind = type(self).__name__
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"{kind}(name={self.name!r}): give a text that is not empty")
        if not 0 < self.weight < math.inf:
            raise ValueError(f"{kind}(weight={self.weight!r}): give a number above 0")

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of head outputs per pixel or per image."""

    @property
    def is_image_level(self) -> bool:
        """Whether there is one output per image instead of per pixel."""
        return False

    @property
    def ignore_value(self) -> float:
        """The label of unknown pixels."""
        return math.nan

    @abstractmethod
    def compute_loss(
        self,
        prediction: Float[Tensor, "batch channels *place"],
        label: Shaped[Tensor, "batch *label"],
    ) -> Float[Tensor, " batch"]:
        """Compute the loss of each image in float32, without `weight`; 0 without labels.

        Args:
            prediction: the head's output, in any dtype.
            label: the labels of the batch.
        """

    @abstractmethod
    def make_metric(self) -> DenseMetric:
        """Make the metric of predictions."""

    @abstractmethod
    def visualize(
        self,
        prediction: Float[Tensor, "channels *place"],
        label: Shaped[Tensor, "*label"] | None,
    ) -> Visualization:
        """Render prediction and label of one image for visual comparison.

        Both use the same colours; unknown pixels of the label are grey.

        Args:
            prediction: the output for one image, as in `DenseMetric.statistics`.
            label: None for an unlabelled image.
        """

    def flip_label(self, label: Shaped[Tensor, "*label"]) -> Shaped[Tensor, "*label"]:
        """Adapt the values to a horizontal flip, after the pixels have moved."""
        return label

    def rotate_label(
        self, label: Shaped[Tensor, "*label"], degrees: float
    ) -> Shaped[Tensor, "*label"]:
        """Adapt the values to a counter-clockwise rotation of the image."""
        return label

    def scale_label(
        self, label: Shaped[Tensor, "*label"], factor: float
    ) -> Shaped[Tensor, "*label"]:
        """Adapt the values to a zoom of the image by `factor`."""
        return label

    def finished(self, label: Shaped[Tensor, "*label"]) -> Shaped[Tensor, "*label"]:
        """Return the label for training and scoring, from the cropped label."""
        return label

    def renormalize_label(self, label: Shaped[Tensor, "*label"]) -> Shaped[Tensor, "*label"]:
        """Convert means of neighbouring values to valid label values."""
        return label
