"""Unit vectors that say which way a surface faces: x right, y up, z to the viewer."""

import torch
from jaxtyping import Float, Float32
from torch import Tensor

MIN_LENGTH = 1e-6
"""Shorter vectors point nowhere."""


def normalize_vectors(
    vectors: Float[Tensor, "*batch channels height breadth"],
) -> Float32[Tensor, "*batch channels height breadth"]:
    """Each pixel's vector at length 1; NaN where it points nowhere or is not known."""
    vectors = vectors.float()
    length = vectors.norm(dim=-3, keepdim=True)
    return torch.where(length > MIN_LENGTH, vectors / length, torch.nan)


def to_camera_axes(
    stored: Float[Tensor, "channels height breadth"], signs: tuple[int, int, int]
) -> Float32[Tensor, "channels height breadth"]:
    """Stored vectors in coterie's axes, of length 1.

    Args:
        stored: x, y, z; all 0 or NaN where nothing is known.
        signs: 1 or -1 for each of them: whether the stored axis points right, up, to the viewer.
    """
    return normalize_vectors(stored * torch.tensor(signs, dtype=stored.dtype).view(3, 1, 1))
