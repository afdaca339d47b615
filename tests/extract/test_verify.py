"""Errors and tolerances, by hand."""

import pytest
import torch

from coterie.extract.verify import compute_largest_error, get_weight_tolerance


def test_largest_error() -> None:
    # Largest difference 0.5, largest entry wanted 4.
    assert compute_largest_error(torch.tensor([1.5, -4.0]), torch.tensor([1.0, -4.0])) == 0.125
    assert compute_largest_error(torch.tensor([0.0]), torch.tensor([0.0])) == 0
    assert compute_largest_error(torch.tensor([0.5]), torch.tensor([0.0])) == 0.5


@pytest.mark.parametrize(
    ("dtype", "allowed"), [(torch.float32, 1e-6), (torch.bfloat16, 2**-7), (torch.float16, 2**-10)]
)
def test_weight_tolerance(dtype: torch.dtype, allowed: float) -> None:
    assert get_weight_tolerance(dtype) == allowed
