"""Pictures and labels at another size; classes are never mixed, and unknown pixels never spread."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Float32, Int64, Shaped, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from coterie.dense.rows import DenseSample
from coterie.dense.task import DenseTask

WEIGHT_TOLERANCE = 1e-3
"""Pixels that weigh less in an average are not there: rounding, not a neighbour."""


def resize_sample(sample: DenseSample, tasks: Sequence[DenseTask], size: tuple[int, int]) -> DenseSample:
    """All of a sample at another size; what its pictures show stays the same.

    Args:
        sample: with labels of any of `tasks`.
        tasks: what the labels are of.
        size: height and breadth, in pixels.

    Raises ValueError if `size` is not above 0.
    """
    if min(size) < 1:
        raise ValueError(f"a picture of {size[0]} x {size[1]} pixels: give at least 1 x 1")
    labels = {
        task.name: resize_label(sample.labels[task.name], task, size)
        for task in tasks
        if task.name in sample.labels
    }
    return replace(sample, image=resize_image(sample.image, size), labels=labels)


def resize_image(
    image: UInt8[Tensor, "channels height breadth"], size: tuple[int, int]
) -> UInt8[Tensor, "channels ..."]:
    """Bilinear, over all pixels that a smaller pixel covers, as Pillow does it."""
    return interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]


def resize_label(
    label: Shaped[Tensor, "*label"], task: DenseTask, size: tuple[int, int]
) -> Shaped[Tensor, "..."]:
    """Classes from the nearest pixel, numbers bilinear; a label of the whole picture as it is."""
    if task.is_image_level:
        return label
    if not label.is_floating_point():
        return resize_nearest(label, size)
    return task.renormalize_label(resize_bilinear(label, size))


def resize_nearest(label: Int64[Tensor, "height breadth"], size: tuple[int, int]) -> Int64[Tensor, "..."]:
    """Each pixel of what lies under its centre."""
    rows, columns = (
        ((torch.arange(new) + 0.5) * old / new).long()
        for new, old in zip(size, label.shape, strict=True)
    )
    return label[rows][:, columns]


def resize_bilinear(
    values: Float[Tensor, "channels height breadth"], size: tuple[int, int]
) -> Float32[Tensor, "channels ..."]:
    """Weighted means of the known values, over all pixels that a smaller pixel covers.

    Weights of NaN are shared out among the others; NaN where there is no other.
    """
    known = ~values.isnan()
    both = torch.stack([values.nan_to_num(nan=0.0).float(), known.float()])
    total, weight = interpolate(both, size=size, mode="bilinear", antialias=True)
    return torch.where(weight > WEIGHT_TOLERANCE, total / weight, torch.nan)
