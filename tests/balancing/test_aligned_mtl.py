"""Aligned-MTL against scales worked out by hand."""

import pytest
import torch

from coterie.balancing.aligned_mtl import AlignedMTL

# Orthogonal: the singular values are the lengths, 1 and 2.
GRADIENTS = torch.tensor([[1.0, 0.0], [0.0, 2.0]])


@pytest.mark.parametrize(
    "scale_mode, length",
    [("min", 1.0), ("rmse", 2.5**0.5)],  # rmse: sqrt((1 + 4) / 2)
)
def test_components_get_one_length(scale_mode, length: float) -> None:
    # Half of each, for it is the mean of two tasks.
    combined = AlignedMTL(scale_mode=scale_mode).build_aggregator()(GRADIENTS)
    assert combined.tolist() == pytest.approx([length / 2, length / 2], rel=1e-4)


@pytest.mark.usefixtures("unchecked")
def test_bad_scale_mode() -> None:
    with pytest.raises(
        ValueError, match=r"scale_mode=.max.\): allowed are .min., .median. and .rmse."
    ):
        AlignedMTL(scale_mode="max")  # pyright: ignore[reportArgumentType]
