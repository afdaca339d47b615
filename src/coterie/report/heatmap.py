"""Heat maps: tables with tinted cells, and images with a block of pixels for each cell."""

import base64
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from coterie.report.formatting import format_number, is_number

COOL, WARM = (
    (0, 121, 191),
    (213, 94, 0),
)  # Okabe and Ito's blue (lighter, for dark pages) and vermilion
BLOCK_PX = 8


@dataclass(frozen=True, kw_only=True)
class HeatmapCell:
    """A number, its tint's strength in [0, 1], and whether it is below zero."""

    text: str
    strength: float
    is_negative: bool


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """A table of tinted cells."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[HeatmapCell, ...], ...]


def build_heatmap(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float]],
    *,
    most: float | None = None,
    digits: int = 2,
) -> Heatmap:
    """Build a table; `most` is the absolute value of the strongest tint, None for the largest."""
    top = most or compute_largest(values)
    return Heatmap(
        rows=tuple(rows),
        columns=tuple(columns),
        cells=tuple(tuple(build_cell(value, top, digits) for value in line) for line in values),
    )


def build_cell(value: float, most: float, digits: int) -> HeatmapCell:
    """Build a cell; a number that rounds to zero has no sign."""
    text = format_number(None) if not math.isfinite(value) else f"{value:.{digits}f}"
    text = text.replace("-", "\u2212") if parse_float(text) else text.lstrip("-")
    return HeatmapCell(text=text, strength=compute_strength(value, most), is_negative=value < 0)


def parse_float(text: str) -> float:
    """Parse a number; 0 for other text."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def compute_strength(value: float, most: float) -> float:
    """Compute the strength of a cell's tint, in [0, 1]; 0 for NaN."""
    return round(min(abs(value) / most, 1.0), 3) if math.isfinite(value) else 0.0


def compute_largest(values: Sequence[Sequence[float]]) -> float:
    """Compute the largest absolute value; 1 if there is none above 0."""
    return max((abs(v) for line in values for v in line if math.isfinite(v)), default=0.0) or 1.0


def render_png_uri(values: Sequence[Sequence[float]], *, most: float | None = None) -> str:
    """Render a PNG as a data URI; tint is opacity, which suits light and dark pages."""
    from PIL import Image

    top = most or compute_largest(values)
    height, width = len(values), max((len(line) for line in values), default=0)
    image = Image.new("RGBA", (max(width, 1), max(height, 1)), (*COOL, 0))
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            tint = WARM if value < 0 else COOL
            image.putpixel((x, y), (*tint, round(255 * compute_strength(value, top))))
    image = image.resize(
        (image.width * BLOCK_PX, image.height * BLOCK_PX), Image.Resampling.NEAREST
    )
    held = io.BytesIO()
    image.save(held, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode("ascii")


Matrix = list[list[float]]


def parse_matrix(data: Any, height: int, width: int) -> Matrix | None:
    """Parse `height` lists of `width` numbers, NaN for other values; None for other shapes."""
    if not is_list(data) or len(data) != height:
        return None
    if any(not is_list(line) or len(line) != width for line in data):
        return None
    return [[float(v) if is_number(v) else math.nan for v in line] for line in data]


def average_matrices(maps: Sequence[Matrix]) -> Matrix:
    """Average each entry over the maps in which it is a number."""
    return [
        [compute_mean([each[y][x] for each in maps], math.nan) for x in range(len(maps[0][y]))]
        for y in range(len(maps[0]))
    ]


def compute_mean(data: Any, otherwise: Any = None) -> Any:
    """Average all finite numbers in nested lists, or return `otherwise` if there are none."""
    held = list(list_numbers(data))
    return sum(held) / len(held) if held else otherwise


def list_numbers(data: Any) -> Iterator[float]:
    """Yield the finite numbers in nested lists."""
    if is_list(data):
        for item in data:
            yield from list_numbers(item)
    elif is_number(data):
        yield float(data)


def is_list(data: Any) -> bool:
    """Whether a value is a list."""
    return isinstance(data, list | tuple)
