"""Only concatenation along the rank adds the changes; merges of factors have cross terms."""

import pytest
import torch

from coterie.compose.merge_factors import (
    Factors,
    average_factors,
    concatenate_ranks,
    merge_by_ties,
)


def scalar(down: float, up: float) -> Factors:
    """A LoRA of rank 1 from one feature to one."""
    return Factors(torch.tensor([[down]]).double(), torch.tensor([[up]]).double())


def change(factors: Factors) -> float:
    return float(factors.up @ factors.down)


def test_scalars_worked_out_by_hand() -> None:
    # A = (1, 3), B = (2, 4): the changes are 1 * 2 and 3 * 4.
    two = [scalar(1, 2), scalar(3, 4)]
    assert change(concatenate_ranks(two, (0.5, 0.5))) == 7  # (2 + 12) / 2
    assert change(average_factors(two, (0.5, 0.5))) == 6  # 2 * 3
    assert change(average_factors(two, (1.0, 1.0))) == 24  # 4 * 6


def test_the_sum_of_matrices_is_exact_and_the_mean_is_not() -> None:
    torch.manual_seed(0)
    shapes = ((2, 5, 4), (3, 5, 4))  # ranks may differ
    factors = [
        Factors(torch.randn(r, width).double(), torch.randn(out, r).double())
        for r, width, out in shapes
    ]
    wanted = 0.3 * factors[0].up @ factors[0].down + 0.7 * factors[1].up @ factors[1].down
    found = concatenate_ranks(factors, (0.3, 0.7))
    assert found.down.shape == (5, 5)
    torch.testing.assert_close(found.up @ found.down, wanted, atol=1e-6, rtol=0)

    equal = [Factors(each.down[:2], each.up[:, :2]) for each in factors]
    wanted = sum(each.up @ each.down for each in equal) / 2
    mean = average_factors(equal, (0.5, 0.5))
    assert (mean.up @ mean.down - wanted).abs().max() > 0.1
    exact = concatenate_ranks(equal, (0.5, 0.5))
    torch.testing.assert_close(exact.up @ exact.down, wanted, atol=1e-6, rtol=0)


def test_ties_by_hand() -> None:
    one = torch.tensor([[4.0, 1.0, -3.0, 0.5]]).double()
    two = torch.tensor([[2.0, -5.0, 1.0, -0.1]]).double()
    # The two largest of each: [4, 0, -3, 0] and [2, -5, 0, 0]. The signs of the sums: + - - +.
    # The means over those of that sign: (4 + 2) / 2, -5, -3, none.
    both = [Factors(one, one.t()), Factors(two, two.t())]
    found = merge_by_ties(both, (0.5, 0.5), density=0.5)
    assert found.down.tolist() == [[3, -5, -3, 0]] and found.up.t().tolist() == [[3, -5, -3, 0]]
    # Weights of 3/4 and 1/4 are 1.5 and 0.5 in the mean: (1.5 * 4 + 0.5 * 2) / 2 = 3.5.
    found = merge_by_ties(both, (0.75, 0.25), density=0.5)
    assert found.down.tolist() == [[3.5, -2.5, -4.5, 0]]


def test_three_runs_with_the_weights_of_the_readme() -> None:
    # 0.333 each, as DAMC's README has it, sums to 0.999.
    three = [scalar(1, 1)] * 3
    assert change(concatenate_ranks(three, (0.333,) * 3)) == pytest.approx(0.999)
