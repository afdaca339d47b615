"""Pictures and labels at another size; classes are never mixed, and unknown pixels never spread."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Float32, Float64, Int64, Shaped, UInt8
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.task import DenseTask

WEIGHT_TOLERANCE = 1e-3
"""Pixels that weigh less in an average are not there: rounding, not a neighbour."""


def resize_sample(
    sample: DenseSample, tasks: Sequence[DenseTask], size: tuple[int, int]
) -> DenseSample:
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


def resize_nearest(
    label: Int64[Tensor, "height breadth"], size: tuple[int, int]
) -> Int64[Tensor, "..."]:
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


def interpolate_bilinear(
    values: Float[Tensor, "channels *place"],
    rows: Float64[Tensor, "height breadth"],
    columns: Float64[Tensor, "height breadth"],
) -> Float32[Tensor, "channels height breadth"]:
    """Bilinear means of the known among the four pixels around each place; NaN where none is.

    Args:
        values: a picture, NaN where nothing is known.
        rows: places, in pixels from the centre of the first row; beyond the picture nothing is
            known.
        columns: likewise, from the centre of the first column.
    """
    height, breadth = values.shape[-2:]
    grid = torch.stack(
        [(2 * columns + 1) / breadth - 1, (2 * rows + 1) / height - 1], dim=-1
    )  # grid_sample has -1 and 1 at the outer edges of the first and last pixels
    known = ~values.isnan()
    both = torch.stack([values.nan_to_num(nan=0.0), known.to(values.dtype)]).double()
    sampled = grid_sample(
        both, grid.expand(2, -1, -1, -1), padding_mode="zeros", align_corners=False
    )
    total, weight = sampled
    return torch.where(weight > WEIGHT_TOLERANCE, total / weight, torch.nan).float()


def interpolate_nearest(
    classes: Int64[Tensor, "..."],
    rows: Float64[Tensor, "height breadth"],
    columns: Float64[Tensor, "height breadth"],
    *,
    unknown: int,
) -> Int64[Tensor, "height breadth"]:
    """The class of the pixel that each place lies in; `unknown` beyond the picture."""
    row, column = (rows + 0.5).floor().long(), (columns + 0.5).floor().long()
    height, breadth = classes.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < breadth)
    found = classes[row.clamp(0, height - 1), column.clamp(0, breadth - 1)]
    return torch.where(inside, found, unknown)
