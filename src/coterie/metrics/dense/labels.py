"""Label masks and encodings that losses and metrics of dense tasks share."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64, Shaped
from torch import Tensor

from coterie.metrics.base import MapPrediction

Mask = Bool[np.ndarray, "height breadth"]
LabelMask = Bool[Tensor, "batch *label"]
LabelBatch = Float32[Tensor, "batch *label"]
ScalarMap = Float[Tensor, "1 height breadth"]
THRESHOLDS = np.linspace(0.2, 0.9, 15)
"""Probabilities from which on a pixel counts as salient, as in ASTMT's code."""


def mask_unlabelled(
    prediction: Float[Tensor, "batch *label"], label: Float[Tensor, "batch *label"]
) -> tuple[LabelBatch, LabelBatch, LabelMask]:
    """Return prediction and label in float32, both 0 where unlabelled, and the labelled mask.

    The prediction is 0 there, too, so that no value in it can make a gradient NaN.
    """
    assert prediction.shape == label.shape, f"{tuple(prediction.shape)}, {tuple(label.shape)}"
    known = ~label.isnan()
    return prediction.float().where(known, 0.0), label.float().where(known, 0.0), known


def compute_masked_mean(values: LabelBatch, known: LabelMask) -> Float32[Tensor, " batch"]:
    """Compute the mean of each image's values where known; 0 if nothing is known."""
    return values.where(known, 0.0).flatten(1).sum(1) / known.flatten(1).sum(1).clamp(min=1)


def to_numpy(values: Float[Tensor, "*label"]) -> Float64[np.ndarray, "*label"]:
    """Convert a tensor of any device and precision to a float64 array."""
    return values.detach().cpu().double().numpy()


def threshold_saliency(
    prediction: MapPrediction, label: ScalarMap
) -> tuple[Bool[np.ndarray, "thresholds place"], Bool[np.ndarray, " place"]]:
    """Return the labelled pixels' predicted saliency at each of THRESHOLDS, and the true one."""
    right = to_numpy(label)
    known = ~np.isnan(right)
    found = to_numpy(prediction.values.float().sigmoid())[known] > THRESHOLDS[:, None]
    return found, right[known] > 0.5


def to_class_map(
    values: Shaped[np.ndarray, "height breadth"], *, classes: int, unknown: int, ignored: int
) -> Int64[Tensor, "height breadth"]:
    """Convert whole numbers to an int64 label, with `ignored` for unknown pixels.

    Raises ValueError if one is neither `unknown` nor a class, 0 to `classes` - 1.
    """
    found = np.unique(values)
    wrong = found[~((found == unknown) | np.isin(found, np.arange(classes)))]
    if len(wrong):
        raise ValueError(
            f"holds {', '.join(map(str, wrong[:3].tolist()))}: classes 0 to {classes - 1} are "
            f"allowed, and {unknown} for unknown; renumber it"
        )
    return torch.from_numpy(np.where(values == unknown, ignored, values).astype(np.int64))


def normalize_vectors(
    vectors: Float[Tensor, "*batch channels height breadth"],
) -> Float32[Tensor, "*batch channels height breadth"]:
    """Normalize each pixel's vector to length 1; NaN where it is too short or unknown."""
    vectors = vectors.float()
    length = vectors.norm(dim=-3, keepdim=True)
    return torch.where(length > 1e-6, vectors / length, torch.nan)


def to_camera_axes(
    stored: Float[Tensor, "channels height breadth"],
) -> Float32[Tensor, "channels height breadth"]:
    """Convert vectors x right, y down, z to the viewer to unit vectors in coterie's axes: y up.

    Unknown vectors are 0 or NaN.
    """
    return normalize_vectors(stored * torch.tensor([1, -1, 1], dtype=stored.dtype).view(3, 1, 1))


@dataclass(frozen=True, kw_only=True)
class DepthScale:
    """A depth encoding: a unit, and linear or logarithmic values.

    Taskonomy uses `DepthScale(units_per_metre=512.0, log_range=65536.0)`: its images store
    1/512 m in 16 bits, and Mod-Squad's code trains on log(1 + x) / log(2^16) of that count x.

    Attributes:
        units_per_metre: number of units per metre, above 0.
        log_range: None where a label is the depth x in units; else a label is
            log(1 + x) / log(log_range), 0 to 1 for depths below this number, which is above 1.
    """

    units_per_metre: float = 1.0
    log_range: float | None = None

    def __post_init__(self) -> None:
        units, log_range = self.units_per_metre, self.log_range
        if not 0 < units < math.inf:
            raise ValueError(f"DepthScale(units_per_metre={units!r}): give a number above 0")
        if log_range is not None and not 1 < log_range < math.inf:
            raise ValueError(f"DepthScale(log_range={log_range!r}): give None or a number above 1")

    def encode(self, metres: Float[Tensor, "*label"]) -> Float[Tensor, "*label"]:
        """Encode depths in metres, at least 0, as labels; NaN stays NaN."""
        units = metres * self.units_per_metre
        return units.log1p() / math.log(self.log_range) if self.log_range else units

    def decode(self, label: Float[Tensor, "*label"]) -> Float[Tensor, "*label"]:
        """Decode labels or predictions to depths in metres; values out of range are clamped."""
        if self.log_range is None:
            return label.clamp(min=0) / self.units_per_metre
        return (label.clamp(0, 1) * math.log(self.log_range)).expm1() / self.units_per_metre


METRES = DepthScale()
"""Labels are depths in metres."""
