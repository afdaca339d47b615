"""The sum over layers, the weight, and what is refused."""

import pytest
import torch

from coterie.losses.base import count_units, mask_padding, sum_over_processes
from coterie.losses.sparsity import Sparsity
from coterie.losses.z import ZLoss
from coterie.routing.decision import Routing, Tape


def routing(weights: list[list[float]], valid: list[bool] | None = None) -> Routing:
    x = torch.tensor(weights)
    return Routing(
        weights=x, probs=x, logits=x, valid=None if valid is None else torch.tensor(valid)
    )


def test_call_is_weight_times_the_sum_over_layers() -> None:
    # Mean L1 norms: layer a (1 + 3) / 2 = 2, layer b 4. 0.5 * (2 + 4) = 3.
    tape = Tape(a=routing([[1.0, 0.0], [1.0, 2.0]]), b=routing([[4.0, 0.0]]))
    assert Sparsity(weight=0.5)(tape).item() == 3.0


def test_empty_tape_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"ZLoss was given an empty tape: .*coterie\.observe"):
        ZLoss()(Tape())


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weight_is_checked(weight: float) -> None:
    with pytest.raises(ValueError, match=r"ZLoss\(weight=.*\): give a finite number"):
        ZLoss(weight=weight)


def test_padding_is_left_out_even_if_it_is_nan() -> None:
    padded = routing([[1.0, 2.0], [float("nan"), 5.0]], valid=[True, False])
    assert mask_padding(padded.probs, padded).tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert count_units(padded).item() == 1.0


def test_all_padding_divides_by_one() -> None:
    assert count_units(routing([[1.0, 2.0]], valid=[False])).item() == 1.0


def test_sums_are_in_float32() -> None:
    half = torch.ones(2, 3, dtype=torch.bfloat16)
    padded = Routing(weights=half, probs=half, logits=half)
    assert mask_padding(half, padded).dtype == torch.float32


def test_one_process_keeps_its_own_sum() -> None:
    x = torch.ones(2)
    assert sum_over_processes(x) is x
