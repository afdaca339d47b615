"""Heat maps: tables with tinted cells, and images with a block of pixels for each cell."""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from coterie.report.embedded_media import make_data_uri
from coterie.report.formatting import is_number

# Okabe and Ito's blue (lighter, for dark pages) and vermilion.
COOL, WARM = (0, 121, 191), (213, 94, 0)
EXPERT_COLOURS = (
    (0, 121, 191), (213, 94, 0), (0, 158, 115), (204, 121, 167),
    (230, 159, 0), (86, 180, 233), (148, 103, 60), (120, 120, 120),
)  # fmt: skip
"""Okabe and Ito's, with brown and grey for yellow and black; more experts begin again."""
BLOCK_PX = 8

Matrix = Float64[Tensor, "height breadth"]


def parse_matrix(data: Any, height: int, width: int) -> Matrix | None:
    """Parse `height` lists of `width` numbers, NaN for other values; None for other shapes."""
    lines = data if isinstance(data, list | tuple) else ()
    if len(lines) != height or not all(
        isinstance(line, list | tuple) and len(line) == width for line in lines
    ):
        return None
    known = [[value if is_number(value) else math.nan for value in line] for line in lines]
    return torch.tensor(known, dtype=torch.float64).reshape(height, width)


def compute_largest(values: Matrix) -> float:
    """Compute the largest absolute value; 1 if there is none above 0."""
    return values.nan_to_num(0.0).abs().max().item() or 1.0


def compute_strength(value: float, most: float) -> float:
    """Compute the strength of a cell's tint, in [0, 1], which it has from `most` on; 0 for NaN."""
    return round(min(abs(value) / most, 1.0), 3) if math.isfinite(value) else 0.0


def render_png_uri(values: Matrix, most: float) -> str:
    """Render a PNG as a data URI; tint is opacity, which suits light and dark pages."""
    pixels = [
        [(*(WARM if cell < 0 else COOL), round(255 * compute_strength(cell, most))) for cell in row]
        for row in values.tolist()
    ]
    return _encode_blocks(pixels)


def render_choices_uri(chosen: Int64[Tensor, "height breadth"], strength: Matrix) -> str:
    """Render a PNG as a data URI; colour is the number of an expert, opacity its strength."""
    pixels = [
        [
            (
                *EXPERT_COLOURS[expert % len(EXPERT_COLOURS)],
                round(255 * compute_strength(cell, 1.0)),
            )
            for expert, cell in zip(experts, cells, strict=True)
        ]
        for experts, cells in zip(chosen.tolist(), strength.tolist(), strict=True)
    ]
    return _encode_blocks(pixels)


def _encode_blocks(pixels: Sequence[Sequence[tuple[int, ...]]]) -> str:
    """Encode RGBA colours, a block of pixels for each."""
    from PIL import Image

    image, held = Image.fromarray(np.array(pixels, dtype=np.uint8)), io.BytesIO()
    size = (image.width * BLOCK_PX, image.height * BLOCK_PX)
    image.resize(size, Image.Resampling.NEAREST).save(held, "PNG", optimize=True)
    return make_data_uri("image/png", held.getvalue())
