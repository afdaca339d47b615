"""Resizing of images and labels that never mixes classes or spreads unknown pixels."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float32, Float64, Int64, UInt8
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from coterie.tasks.dense.dataset import DenseSample, Image, Label, Tasks
from coterie.tasks.dense.task import DenseTask, Output
from coterie.tasks.dense.visualize import Maps

WEIGHT_TOLERANCE = 1e-3
"""Smaller weights of known pixels in an average are rounding errors."""
Grid = Float64[Tensor, "height breadth"]
Classes = Int64[Tensor, "height breadth"]
Size = tuple[int, int]
"""Height and breadth in pixels."""


def resize_sample(sample: DenseSample, tasks: Tasks, size: Size) -> DenseSample:
    """Resize a sample with labels of `tasks` to a height and breadth; ValueError if one is 0."""
    if min(size) < 1:
        raise ValueError(f"a picture of {size[0]} x {size[1]} pixels: give at least 1 x 1")
    image = resize_image(sample.image, size)
    return sample.transform(image, tasks, lambda label, task: resize_label(label, task, size))


def resize_image(image: Image, size: Size) -> UInt8[Tensor, "channels ..."]:
    """Resize bilinearly with antialiasing, as Pillow does."""
    return interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]


def resize_label(label: Label, task: DenseTask, size: Size) -> Label:
    """Resize classes to the nearest pixel and numbers bilinearly; image-level labels unchanged."""
    if task.is_image_level:
        return label
    if not label.is_floating_point():
        return resize_nearest(label, size)
    return task.renormalize_label(resize_bilinear(label, size))


def resize_nearest(label: Classes, size: Size) -> Int64[Tensor, "..."]:
    """Resize by nearest neighbour at pixel centres."""
    rows, columns = (
        ((torch.arange(new) + 0.5) * old / new).long()
        for new, old in zip(size, label.shape, strict=True)
    )
    return label[rows][:, columns]


def resize_bilinear(values: Maps, size: Size) -> Float32[Tensor, "channels ..."]:
    """Resize bilinearly with antialiasing, over known values only; NaN where none is known."""
    return average_known(
        values.float(), lambda both: interpolate(both, size=size, mode="bilinear", antialias=True)
    )


def interpolate_bilinear(
    values: Output, rows: Grid, columns: Grid
) -> Float32[Tensor, "channels height breadth"]:
    """Interpolate the known among the four pixels around each position; NaN where none is known.

    Positions are in pixels from the centre of the first row and column; unknown pixels are NaN or
    beyond the image.
    """
    height, breadth = values.shape[-2:]
    # grid_sample has -1 and 1 at the outer edges of the first and last pixels
    grid = torch.stack([(2 * columns + 1) / breadth - 1, (2 * rows + 1) / height - 1], dim=-1)
    grid = grid.expand(2, -1, -1, -1)
    found = average_known(
        values.double(), lambda both: grid_sample(both, grid, align_corners=False)
    )
    return found.float()


def average_known(
    values: Float[Tensor, "*label"], average: Callable[[Tensor], Tensor]
) -> Float[Tensor, "..."]:
    """Average with weights that are renormalised without NaN values; NaN where none is known.

    `average` is linear, and is called with values and their weights as a batch of two.
    """
    known = ~values.isnan()
    both = torch.stack([values.nan_to_num(nan=0.0), known.to(values.dtype)])
    total, weight = average(both)
    return torch.where(weight > WEIGHT_TOLERANCE, total / weight, torch.nan)


def interpolate_nearest(
    classes: Int64[Tensor, "..."], rows: Grid, columns: Grid, *, unknown: int
) -> Classes:
    """Return the class of the pixel at each position; `unknown` beyond the image."""
    row, column = (rows + 0.5).floor().long(), (columns + 0.5).floor().long()
    height, breadth = classes.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < breadth)
    found = classes[row.clamp(0, height - 1), column.clamp(0, breadth - 1)]
    return torch.where(inside, found, unknown)
