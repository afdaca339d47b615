"""Labels and predictions of dense tasks as pictures to look at."""

import colorsys
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

UNKNOWN = 128
"""All three colours of a pixel of which nothing is known."""
VIRIDIS = (
    (68, 1, 84), (72, 40, 120), (62, 73, 137), (49, 104, 142), (38, 130, 142),
    (31, 158, 137), (53, 183, 121), (110, 206, 88), (181, 222, 43), (253, 231, 37),
)  # fmt: skip
"""The perceptual colour map viridis (CC0, matplotlib) at ten places; between them, straight."""
ENDS = (0.02, 0.98)
"""The shares of a label's numbers between which colours differ: one far pixel is no scale."""
GOLDEN = (math.sqrt(5) - 1) / 2
BARS, BAR_HEIGHT, BAR_WIDTH = 32, 64, 4


class Painted(NamedTuple):
    """RGB, 0 to 255: what was labelled, None where nothing is, and what was predicted."""

    truth: UInt8[Tensor, "3 height breadth"] | None
    predicted: UInt8[Tensor, "3 height breadth"]


def graded(
    prediction: Float[Tensor, "1 height breadth"], label: Float[Tensor, "1 height breadth"] | None
) -> Painted:
    """One number a pixel, in the colours of viridis; both on the scale of the label."""
    low, high = span(_like(prediction, label))
    return ranged(prediction, label, low, high)


def ranged(
    prediction: Float[Tensor, "1 height breadth"],
    label: Float[Tensor, "1 height breadth"] | None,
    low: float,
    high: float,
) -> Painted:
    """One number a pixel, in the colours of viridis: violet at `low` and yellow at `high`."""
    truth = None if label is None else spectrum(scaled(label[0], low, high))
    return Painted(truth, spectrum(scaled(prediction[0], low, high)))


def mixed(
    prediction: Float[Tensor, "channels height breadth"],
    label: Float[Tensor, "channels height breadth"] | None,
) -> Painted:
    """The first three numbers of a pixel as red, green and blue, each on its label's scale."""
    ends = [span(each) for each in _like(prediction, label)[:3]]
    truth = None if label is None else _mixed(label[:3], ends)
    return Painted(truth, _mixed(prediction[:3], ends))


def _like(
    prediction: Float[Tensor, "channels height breadth"],
    label: Float[Tensor, "channels height breadth"] | None,
) -> Float[Tensor, "channels height breadth"]:
    """What the scale of the colours is taken from: the label, where there is any."""
    return prediction if label is None or not label.isfinite().any() else label


def _mixed(
    values: Float[Tensor, "channels height breadth"], ends: list[tuple[float, float]]
) -> UInt8[Tensor, "3 height breadth"]:
    parts = [scaled(each, *pair) for each, pair in zip(values, ends, strict=True)]
    middle = torch.full_like(parts[0], 0.5)
    return colours(torch.stack([*parts, middle, middle][:3]))


def span(values: Float[Tensor, "*label"]) -> tuple[float, float]:
    """Where `ENDS` of the finite numbers lie; 0 and 1 if there are none."""
    known = values.float()[values.isfinite()].sort().values
    if not len(known):
        return 0.0, 1.0
    low, high = (known[round(share * (len(known) - 1))].item() for share in ENDS)
    return low, high


def scaled(values: Float[Tensor, "*label"], low: float, high: float) -> Float[Tensor, "*label"]:
    """0 at `low` and 1 at `high`, nothing beyond; NaN stays."""
    return ((values.float() - low) / max(high - low, 1e-12)).clamp(0, 1)


def spectrum(values: Float[Tensor, "height breadth"]) -> UInt8[Tensor, "3 height breadth"]:
    """Numbers in [0, 1] in the colours of viridis."""
    table = torch.tensor(VIRIDIS, dtype=torch.float32)
    place = values.nan_to_num(0.0) * (len(table) - 1)
    below = place.floor().clamp(0, len(table) - 2).long()
    found = table[below].lerp(table[below + 1], (place - below)[..., None])
    return shown(found.movedim(-1, 0), ~values.isnan())


def colours(values: Float[Tensor, "3 height breadth"]) -> UInt8[Tensor, "3 height breadth"]:
    """Red, green and blue in [0, 1]; a pixel with a NaN is not known."""
    return shown(255 * values.nan_to_num(0.0), ~values.isnan().any(0))


def shown(
    rgb: Float[Tensor, "3 height breadth"], known: Bool[Tensor, "height breadth"]
) -> UInt8[Tensor, "3 height breadth"]:
    """Colours, 0 to 255, and grey where nothing is known."""
    return rgb.round().byte().where(known, UNKNOWN)


def classes(
    numbers: Int[Tensor, "height breadth"], known: Bool[Tensor, "height breadth"]
) -> UInt8[Tensor, "3 height breadth"]:
    """Classes, each in a colour of its own, which is the same in all pictures.

    Hues are a golden section of the circle apart, in three lightnesses; none is grey.
    """
    numbers = numbers.where(known, 0)
    count = int(numbers.max()) + 1
    table = torch.tensor([
        colorsys.hls_to_rgb(number * GOLDEN % 1.0, (0.45, 0.68, 0.3)[number % 3], 0.65)
        for number in range(count)
    ])  # fmt: skip
    return shown(255 * table[numbers].movedim(-1, 0), known)


def bars(prediction: Float[Tensor, " classes"], label: Float[Tensor, " classes"] | None) -> Painted:
    """A number a class of the whole picture, each a bar from the ground, on one scale.

    Of more than `BARS` classes, neighbours share a bar, which is as high as the highest of them.
    """
    both = [each for each in (prediction, label) if each is not None and not each.isnan().any()]
    most = max((float(each.max()) for each in both), default=1.0)
    missing = label is None or bool(label.isnan().any())
    truth = None if missing or label is None else _bars(label, most)
    return Painted(truth, _bars(prediction, most))


def _bars(values: Float[Tensor, " classes"], most: float) -> UInt8[Tensor, "3 height breadth"]:
    few = F.adaptive_max_pool1d(values.float()[None], min(len(values), BARS))[0]
    heights = (scaled(few.nan_to_num(0.0), 0.0, most) * BAR_HEIGHT).round()
    filled = torch.arange(BAR_HEIGHT, 0, -1)[:, None] <= heights
    filled = filled.repeat_interleave(BAR_WIDTH, 1)
    filled[:, BAR_WIDTH - 1 :: BAR_WIDTH] = False  # a gap between bars
    return spectrum(filled.float())
