"""Sums over that part of a picture which has a label."""

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64
from torch import Tensor


def mask_unlabelled(
    prediction: Float[Tensor, "batch *label"], label: Float[Tensor, "batch *label"]
) -> tuple[
    Float32[Tensor, "batch *label"], Float32[Tensor, "batch *label"], Bool[Tensor, "batch *label"]
]:
    """Prediction and label in float32, and where there is a label; both are 0 elsewhere.

    The prediction is 0 there, too, so that nothing it says can make a gradient NaN.
    """
    assert prediction.shape == label.shape, f"{tuple(prediction.shape)}, {tuple(label.shape)}"
    known = ~label.isnan()
    return prediction.float().where(known, 0.0), label.float().where(known, 0.0), known


def compute_masked_mean(
    values: Float32[Tensor, "batch *label"], known: Bool[Tensor, "batch *label"]
) -> Float32[Tensor, " batch"]:
    """The mean of each picture's values over what is known; 0 if that is nothing."""
    total = values.where(known, 0.0).flatten(1).sum(1)
    return total / known.flatten(1).sum(1).clamp(min=1)


def to_numpy(values: Float[Tensor, "*label"]) -> Float64[np.ndarray, "*label"]:
    """A tensor of any device and precision as numpy has it."""
    return values.detach().cpu().double().numpy()
