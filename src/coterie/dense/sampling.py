"""Values of a picture at any places, not only at its pixels."""

import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor
from torch.nn.functional import grid_sample

from coterie.dense.resize import WEIGHT_TOLERANCE


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
