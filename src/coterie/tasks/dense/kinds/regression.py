"""`Regression`: regression of pixel values without task-specific rules."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from coterie.metrics.dense.labels import compute_masked_mean, mask_unlabelled
from coterie.metrics.dense.mean_error import MeanError
from coterie.optional_imports import import_optional
from coterie.tasks.dense.task import DenseTask, Losses, MapsBatch
from coterie.tasks.dense.visualize import (
    LegendEntry,
    Maps,
    Visualization,
    apply_colormap,
    combine_rgb_channels,
)


@dataclass(frozen=True, kw_only=True)
class Regression(DenseTask):
    """Pixel regression: the mean of |difference|^exponent over an image's labelled values.

    Taskonomy's keypoints, reshading, edges and unsupervised segments use exponent 1, its principal
    curvature exponent 2 and two channels, as in the released code of Mod-Squad.

    Attributes:
        num_channels: number of values per pixel, at least 1.
        exponent: 1 for absolute or 2 for squared differences.
        clamp: maximum loss of an image, above 0; beyond it there is no gradient. The
            released code clamps the loss of a batch at 1000.
        blur: standard deviation, in pixels, of a Gaussian blur of the labels after cropping, as
            the released code blurs occlusion edges; 0 for none. Pixels beyond the border are
            mirrored. Unknown pixels blur as -1, and stay unknown.
    """

    num_channels: int = 1
    exponent: Literal[1, 2] = 1
    clamp: float = 1000.0
    blur: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_channels < 1:
            raise ValueError(
                f"Regression(num_channels={self.num_channels!r}): give a number, at least 1"
            )
        if not 0 < self.clamp < math.inf:
            raise ValueError(f"Regression(clamp={self.clamp!r}): give a number above 0")
        if not 0 <= self.blur < math.inf:
            raise ValueError(f"Regression(blur={self.blur!r}): give pixels, at least 0")

    @property
    def channels(self) -> int:
        return self.num_channels

    def compute_loss(self, prediction: MapsBatch, label: MapsBatch) -> Losses:
        values, target, known = mask_unlabelled(prediction, label)
        losses = compute_masked_mean((values - target).abs() ** self.exponent, known)
        return losses.clamp(max=self.clamp)

    def finish_label(self, label: Maps) -> Maps:
        if not self.blur:
            return label
        blurred = import_optional("scipy.ndimage", "data").gaussian_filter(
            label.nan_to_num(nan=-1.0).numpy(), sigma=(0, self.blur, self.blur)
        )
        return torch.from_numpy(np.asarray(blurred)).where(~label.isnan(), torch.nan)

    def make_metric(self) -> MeanError:
        return MeanError(exponent=self.exponent)

    def visualize(self, prediction: Maps, label: Maps | None) -> Visualization:
        """Show low as violet and high as yellow; several channels as red, green and blue."""
        render = apply_colormap if self.num_channels == 1 else combine_rgb_channels
        return render(prediction, label)

    def list_legend(self, prediction: Maps) -> tuple[LegendEntry, ...]:
        """List low and high; or the channels, each dark where it is low and bright where high."""
        if self.num_channels == 1:
            return super().list_legend(prediction)
        colors = ("#ff0000", "#00ff00", "#0000ff")[: self.num_channels]
        return tuple(LegendEntry(each, f"channel {n}") for n, each in enumerate(colors, 1))
