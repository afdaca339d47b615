"""Labels and predictions of dense tasks as pictures to look at."""

import colorsys
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

UNKNOWN_COLOR = 128
"""All three colours of a pixel of which nothing is known."""
VIRIDIS = (
    (68, 1, 84), (72, 40, 120), (62, 73, 137), (49, 104, 142), (38, 130, 142),
    (31, 158, 137), (53, 183, 121), (110, 206, 88), (181, 222, 43), (253, 231, 37),
)  # fmt: skip
"""The perceptual colour map viridis (CC0, matplotlib) at ten places; between them, straight."""
PERCENTILES = (0.02, 0.98)
"""The shares of a label's numbers between which colours differ: one far pixel is no scale."""
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
BARS, BAR_HEIGHT, BAR_WIDTH = 32, 64, 4


class Visualization(NamedTuple):
    """RGB, 0 to 255: what was labelled, None where nothing is, and what was predicted."""

    label: UInt8[Tensor, "3 height breadth"] | None
    prediction: UInt8[Tensor, "3 height breadth"]


def apply_colormap_auto(
    prediction: Float[Tensor, "1 height breadth"], label: Float[Tensor, "1 height breadth"] | None
) -> Visualization:
    """One number a pixel, in the colours of viridis; both on the scale of the label."""
    low, high = compute_value_range(_select_scale_source(prediction, label))
    return apply_colormap_range(prediction, label, low, high)


def apply_colormap_range(
    prediction: Float[Tensor, "1 height breadth"],
    label: Float[Tensor, "1 height breadth"] | None,
    low: float,
    high: float,
) -> Visualization:
    """One number a pixel, in the colours of viridis: violet at `low` and yellow at `high`."""
    truth = None if label is None else apply_viridis(rescale(label[0], low, high))
    return Visualization(truth, apply_viridis(rescale(prediction[0], low, high)))


def combine_rgb_channels(
    prediction: Float[Tensor, "channels height breadth"],
    label: Float[Tensor, "channels height breadth"] | None,
) -> Visualization:
    """The first three numbers of a pixel as red, green and blue, each on its label's scale."""
    ends = [compute_value_range(each) for each in _select_scale_source(prediction, label)[:3]]
    truth = None if label is None else _combine_channels(label[:3], ends)
    return Visualization(truth, _combine_channels(prediction[:3], ends))


def _select_scale_source(
    prediction: Float[Tensor, "channels height breadth"],
    label: Float[Tensor, "channels height breadth"] | None,
) -> Float[Tensor, "channels height breadth"]:
    """What the scale of the colours is taken from: the label, where there is any."""
    return prediction if label is None or not label.isfinite().any() else label


def _combine_channels(
    values: Float[Tensor, "channels height breadth"], ends: list[tuple[float, float]]
) -> UInt8[Tensor, "3 height breadth"]:
    parts = [rescale(each, *pair) for each, pair in zip(values, ends, strict=True)]
    middle = torch.full_like(parts[0], 0.5)
    return to_rgb_image(torch.stack([*parts, middle, middle][:3]))


def compute_value_range(values: Float[Tensor, "*label"]) -> tuple[float, float]:
    """Where `ENDS` of the finite numbers lie; 0 and 1 if there are none."""
    known = values.float()[values.isfinite()].sort().values
    if not len(known):
        return 0.0, 1.0
    low, high = (known[round(share * (len(known) - 1))].item() for share in PERCENTILES)
    return low, high


def rescale(values: Float[Tensor, "*label"], low: float, high: float) -> Float[Tensor, "*label"]:
    """0 at `low` and 1 at `high`, nothing beyond; NaN stays."""
    return ((values.float() - low) / max(high - low, 1e-12)).clamp(0, 1)


def apply_viridis(values: Float[Tensor, "height breadth"]) -> UInt8[Tensor, "3 height breadth"]:
    """Numbers in [0, 1] in the colours of viridis."""
    table = torch.tensor(VIRIDIS, dtype=torch.float32)
    place = values.nan_to_num(0.0) * (len(table) - 1)
    below = place.floor().clamp(0, len(table) - 2).long()
    found = table[below].lerp(table[below + 1], (place - below)[..., None])
    return to_uint8(found.movedim(-1, 0), ~values.isnan())


def to_rgb_image(values: Float[Tensor, "3 height breadth"]) -> UInt8[Tensor, "3 height breadth"]:
    """Red, green and blue in [0, 1]; a pixel with a NaN is not known."""
    return to_uint8(255 * values.nan_to_num(0.0), ~values.isnan().any(0))


def to_uint8(
    rgb: Float[Tensor, "3 height breadth"], known: Bool[Tensor, "height breadth"]
) -> UInt8[Tensor, "3 height breadth"]:
    """Colours, 0 to 255, and grey where nothing is known."""
    return rgb.round().byte().where(known, UNKNOWN_COLOR)


def color_classes(
    numbers: Int[Tensor, "height breadth"], known: Bool[Tensor, "height breadth"]
) -> UInt8[Tensor, "3 height breadth"]:
    """Classes, each in a colour of its own, which is the same in all pictures.

    Hues are a golden section of the circle apart, in three lightnesses; none is grey.
    """
    numbers = numbers.where(known, 0)
    count = int(numbers.max()) + 1
    table = torch.tensor([
        colorsys.hls_to_rgb(number * GOLDEN_RATIO % 1.0, (0.45, 0.68, 0.3)[number % 3], 0.65)
        for number in range(count)
    ])  # fmt: skip
    return to_uint8(255 * table[numbers].movedim(-1, 0), known)


def draw_bar_charts(
    prediction: Float[Tensor, " classes"], label: Float[Tensor, " classes"] | None
) -> Visualization:
    """A number a class of the whole picture, each a bar from the ground, on one scale.

    Of more than `BARS` classes, neighbours share a bar, which is as high as the highest of them.
    """
    both = [each for each in (prediction, label) if each is not None and not each.isnan().any()]
    most = max((float(each.max()) for each in both), default=1.0)
    missing = label is None or bool(label.isnan().any())
    truth = None if missing or label is None else _draw_bar_chart(label, most)
    return Visualization(truth, _draw_bar_chart(prediction, most))


def _draw_bar_chart(
    values: Float[Tensor, " classes"], most: float
) -> UInt8[Tensor, "3 height breadth"]:
    few = F.adaptive_max_pool1d(values.float()[None], min(len(values), BARS))[0]
    heights = (rescale(few.nan_to_num(0.0), 0.0, most) * BAR_HEIGHT).round()
    filled = torch.arange(BAR_HEIGHT, 0, -1)[:, None] <= heights
    filled = filled.repeat_interleave(BAR_WIDTH, 1)
    filled[:, BAR_WIDTH - 1 :: BAR_WIDTH] = False  # a gap between bars
    return apply_viridis(filled.float())
