"""A dense task: what its labels are, what a head writes for them, the loss, and the score."""

import math
from abc import ABC, abstractmethod

from jaxtyping import Float, Shaped
from torch import Tensor

from coterie.metrics.dense.base import DenseMetric
from coterie.tasks.dense.visualize import Visualization


class DenseTask(ABC):
    """One task of many on the same pictures. Kinds are frozen keyword-only dataclasses.

    A label is int64 [height, breadth] of classes, with `ignored` where nothing is known; or
    float32 [channels, height, breadth], NaN where nothing is known; or float32 [channels] where
    the task is about the whole picture.

    Attributes:
        name: what the gates, heads and reports call it.
        weight: what its loss is multiplied by, above 0.
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
        """How many numbers the head writes, for each pixel or for the picture."""

    @property
    def is_image_level(self) -> bool:
        """Whether one answer serves all of the picture."""
        return False

    @property
    def ignore_value(self) -> float:
        """What a label says where nothing is known."""
        return math.nan

    @abstractmethod
    def compute_loss(
        self,
        prediction: Float[Tensor, "batch channels *place"],
        label: Shaped[Tensor, "batch *label"],
    ) -> Float[Tensor, " batch"]:
        """The loss of each picture, in float32, without `weight`; 0 where nothing is labelled.

        Args:
            prediction: what the head wrote, in any dtype.
            label: the labels of the pictures.
        """

    @abstractmethod
    def make_metric(self) -> DenseMetric:
        """How predictions are scored."""

    @abstractmethod
    def visualize(
        self,
        prediction: Float[Tensor, "channels *place"],
        label: Shaped[Tensor, "*label"] | None,
    ) -> Visualization:
        """What a head wrote for one picture, and its label, as pictures for people to compare.

        Both are in the same colours; where the label is not known, its picture is grey.

        Args:
            prediction: as `DenseMetric.statistics` has it.
            label: None where the picture has none.
        """

    def flip_label(self, label: Shaped[Tensor, "*label"]) -> Shaped[Tensor, "*label"]:
        """What becomes of the values when left and right change places; pixels have moved."""
        return label

    def rotate_label(
        self, label: Shaped[Tensor, "*label"], degrees: float
    ) -> Shaped[Tensor, "*label"]:
        """What becomes of the values when the picture is turned, counter-clockwise as seen."""
        return label

    def scale_label(
        self, label: Shaped[Tensor, "*label"], factor: float
    ) -> Shaped[Tensor, "*label"]:
        """What becomes of the values when the picture is enlarged by `factor`."""
        return label

    def finished(self, label: Shaped[Tensor, "*label"]) -> Shaped[Tensor, "*label"]:
        """The label that is learned and scored, of what is left of it when the picture is cut."""
        return label

    def renormalize_label(self, label: Shaped[Tensor, "*label"]) -> Shaped[Tensor, "*label"]:
        """What becomes of means of neighbouring values, so that they are values of a label."""
        return label
