"""Rendering of labels and predictions of dense tasks as RGB images."""

import colorsys
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

UNKNOWN_COLOR = 128
"""RGB value of unknown pixels."""
VIRIDIS = (
    (68, 1, 84), (72, 40, 120), (62, 73, 137), (49, 104, 142), (38, 130, 142),
    (31, 158, 137), (53, 183, 121), (110, 206, 88), (181, 222, 43), (253, 231, 37)
)  # fmt: skip
"""The colour map viridis (CC0, matplotlib) at ten points, interpolated linearly."""
PERCENTILES = (0.02, 0.98)
"""Quantiles of a label's values that set the colour range, robust to outliers."""
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
BARS, BAR_HEIGHT, BAR_WIDTH = 32, 64, 4

Map = Float[Tensor, "1 height breadth"]
Maps = Float[Tensor, "channels height breadth"]
Classes = Float[Tensor, " classes"]
Known = Bool[Tensor, "height breadth"]
Rgb = UInt8[Tensor, "3 height breadth"]
"""An image, 0 to 255."""


class Visualization(NamedTuple):
    """Label (None without one) and prediction."""

    label: Rgb | None
    prediction: Rgb


class LegendEntry(NamedTuple):
    """A colour, as #rrggbb, and what it stands for."""

    color: str
    label: str


def make_range_legend(low: str, high: str) -> tuple[LegendEntry, ...]:
    """Return the legend of `apply_viridis`: the words for its low and its high end."""
    return LegendEntry(format_color(VIRIDIS[0]), low), LegendEntry(format_color(VIRIDIS[-1]), high)


def make_class_legend(numbers: Int[Tensor, "height breadth"]) -> tuple[LegendEntry, ...]:
    """Return the legend of `color_classes`, of the classes that are there."""
    found = numbers.unique().tolist()
    colors = [[round(255 * part) for part in get_class_color(each)] for each in found]
    pairs = zip(found, colors, strict=True)
    return tuple(LegendEntry(format_color(color), f"class {each}") for each, color in pairs)


def format_color(rgb: Sequence[int]) -> str:
    """Format an RGB colour, 0 to 255, as #rrggbb."""
    return "#" + bytes(rgb).hex()


def get_class_color(number: int) -> tuple[float, float, float]:
    """Return a class's RGB colour, in [0, 1]; see `color_classes`."""
    return colorsys.hls_to_rgb(number * GOLDEN_RATIO % 1.0, (0.45, 0.68, 0.3)[number % 3], 0.65)


def apply_colormap(
    prediction: Map, label: Map | None, ends: tuple[float, float] | None = None
) -> Visualization:
    """Color one number per pixel: low violet, high yellow; `ends` are by default the label's."""
    low, high = ends or compute_value_range(_select_scale_source(prediction, label))
    truth = None if label is None else apply_viridis(rescale(label[0], low, high))
    return Visualization(truth, apply_viridis(rescale(prediction[0], low, high)))


def combine_rgb_channels(prediction: Maps, label: Maps | None) -> Visualization:
    """Show the first three channels as red, green and blue, each on its label's range."""
    ends = [compute_value_range(each) for each in _select_scale_source(prediction, label)[:3]]
    truth = None if label is None else _combine_channels(label[:3], ends)
    return Visualization(truth, _combine_channels(prediction[:3], ends))


def _select_scale_source(prediction: Maps, label: Maps | None) -> Maps:
    """Return the tensor that sets the colour range: the label unless it has no values."""
    return prediction if label is None or not label.isfinite().any() else label


def _combine_channels(values: Maps, ends: list[tuple[float, float]]) -> Rgb:
    parts = [rescale(each, *pair) for each, pair in zip(values, ends, strict=True)]
    middle = torch.full_like(parts[0], 0.5)
    return to_rgb_image(torch.stack([*parts, middle, middle][:3]))


def compute_value_range(values: Float[Tensor, "*label"]) -> tuple[float, float]:
    """Compute the `PERCENTILES` of the finite values; 0 and 1 if there are none."""
    known = values.float()[values.isfinite()].sort().values
    if not len(known):
        return 0.0, 1.0
    low, high = (known[round(share * (len(known) - 1))].item() for share in PERCENTILES)
    return low, high


def rescale(values: Float[Tensor, "*label"], low: float, high: float) -> Float[Tensor, "*label"]:
    """Rescale `low` to 0 and `high` to 1, clamped; NaN stays NaN."""
    return ((values.float() - low) / max(high - low, 1e-12)).clamp(0, 1)


def apply_viridis(values: Float[Tensor, "height breadth"]) -> Rgb:
    """Color numbers in [0, 1] with viridis."""
    table = torch.tensor(VIRIDIS, dtype=torch.float32)
    place = values.nan_to_num(0.0) * (len(table) - 1)
    below = place.floor().clamp(0, len(table) - 2).long()
    found = table[below].lerp(table[below + 1], (place - below)[..., None])
    return to_uint8(found.movedim(-1, 0), ~values.isnan())


def to_rgb_image(values: Float[Tensor, "3 height breadth"]) -> Rgb:
    """Convert RGB in [0, 1] to uint8; pixels with a NaN are unknown."""
    return to_uint8(255 * values.nan_to_num(0.0), ~values.isnan().any(0))


def to_uint8(rgb: Float[Tensor, "3 height breadth"], known: Known) -> Rgb:
    """Round RGB values to uint8, with grey at unknown pixels."""
    return rgb.round().byte().where(known, UNKNOWN_COLOR)


def color_classes(numbers: Int[Tensor, "height breadth"], known: Known) -> Rgb:
    """Color classes by hues that are spaced by the golden ratio, in three lightnesses, no grey."""
    numbers = numbers.where(known, 0)
    table = torch.tensor([get_class_color(each) for each in range(int(numbers.max()) + 1)])
    return to_uint8(255 * table[numbers].movedim(-1, 0), known)


def draw_bar_charts(prediction: Classes, label: Classes | None) -> Visualization:
    """Draw a bar per class on a common scale; more than `BARS` share bars with their maximum."""
    if label is not None and label.isnan().any():
        label = None
    both = [each for each in (prediction, label) if each is not None and not each.isnan().any()]
    most = max((float(each.max()) for each in both), default=1.0)
    truth = None if label is None else _draw_bar_chart(label, most)
    return Visualization(truth, _draw_bar_chart(prediction, most))


def _draw_bar_chart(values: Classes, most: float) -> Rgb:
    few = F.adaptive_max_pool1d(values.float()[None], min(len(values), BARS))[0]
    heights = (rescale(few.nan_to_num(0.0), 0.0, most) * BAR_HEIGHT).round()
    filled = torch.arange(BAR_HEIGHT, 0, -1)[:, None] <= heights
    filled = filled.repeat_interleave(BAR_WIDTH, 1)
    filled[:, BAR_WIDTH - 1 :: BAR_WIDTH] = False  # a gap between bars
    return apply_viridis(filled.float())
