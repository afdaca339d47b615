"""`Normals`: surface normal estimation."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from coterie.metrics.dense.labels import compute_masked_mean, mask_unlabelled, normalize_vectors
from coterie.metrics.dense.mean_angular_error import MeanAngularError
from coterie.tasks.dense.task import DenseTask, Losses
from coterie.tasks.dense.visualize import LegendEntry, Visualization, to_rgb_image

Vectors = Float[Tensor, "*batch 3 height breadth"]
MIN_LENGTH = 1e-3
"""Shorter predictions are divided by this, and stay shorter than 1."""
AXES = (
    LegendEntry("#ff0000", "x, to the right"), LegendEntry("#00ff00", "y, up"),
    LegendEntry("#0000ff", "z, to the viewer"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Normals(DenseTask):
    """Surface normals: unit vectors, x to the right, y up, z to the viewer.

    The prediction is normalised first. Then "l1" is the mean of |difference| over the three
    components of all labelled pixels, as in M3ViT (arXiv:2210.14793), where this task's weight is
    10; "cosine" is the mean of 1 - cosine, as in the released code of Mod-Squad.

    Departs: the released code divides by any length; a head initialised to 0 would have gradients
    of 10^12, so vectors shorter than `MIN_LENGTH` are divided by that.

    Attributes:
        criterion: the loss, "l1" or "cosine".
    """

    criterion: Literal["l1", "cosine"] = "l1"

    @property
    def channels(self) -> int:
        return 3

    def compute_loss(self, prediction: Vectors, label: Vectors) -> Losses:
        vectors, target, known = mask_unlabelled(prediction, label)
        vectors = F.normalize(vectors, dim=1, eps=MIN_LENGTH)
        if self.criterion == "l1":
            return compute_masked_mean((vectors - target).abs(), known)
        cosine = (vectors * F.normalize(target, dim=1)).sum(1, keepdim=True)
        return compute_masked_mean(1 - cosine, known.all(1, keepdim=True))

    def make_metric(self) -> MeanAngularError:
        return MeanAngularError()

    def visualize(self, prediction: Vectors, label: Vectors | None) -> Visualization:
        """Show x as red, y as green, z as blue, each from -1 (dark) to 1 (bright)."""
        truth = None if label is None else to_rgb_image((normalize_vectors(label) + 1) / 2)
        return Visualization(truth, to_rgb_image((normalize_vectors(prediction) + 1) / 2))

    def list_legend(self, prediction: Vectors) -> tuple[LegendEntry, ...]:
        """List the axes; each is from -1, dark, to 1, bright."""
        return AXES

    def flip_label(self, label: Vectors) -> Vectors:
        x, y, z = label.unbind(-3)
        return torch.stack((-x, y, z), -3)

    def rotate_label(self, label: Vectors, degrees: float) -> Vectors:
        """Rotate x and y counter-clockwise with the image; z is unchanged."""
        x, y, z = label.unbind(-3)
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return torch.stack((cosine * x - sine * y, sine * x + cosine * y, z), -3)

    def scale_label(self, label: Vectors, factor: float) -> Vectors:
        """Return the label unchanged: a zoom does not change surface normals.

        As in the code of Vandenhende et al. (arXiv:2004.13379), on which M3ViT's is based.
        Departs from code that rescales z by the factor and normalises again, as Eigen and Fergus
        (arXiv:1411.4734) do, who model zoom as moving the camera. From there a camera would also
        see other parts of the scene, so this would not be more accurate.
        """
        return label

    def renormalize_label(self, label: Vectors) -> Vectors:
        return normalize_vectors(label)
