"""Sparsity against values worked out by hand."""

import pytest
import torch

from coterie.losses.sparsity import Sparsity, compute_sparsity
from coterie.routing.decision import Routing, Tape


def test_mean_norm() -> None:
    # RoDE gates of the logits (-1, .5, 2) are (0, .5, 2), norm 2.5; of none chosen 0. Mean 1.25.
    weights = torch.tensor([[0.0, 0.5, 2.0], [0.0, 0.0, 0.0]])
    one = Routing(weights=weights, probs=weights, logits=weights)
    assert Sparsity().compute(one).item() == 1.25


def test_padding_does_not_count() -> None:
    # Only the first unit: norm 2.5, of one unit.
    weights = torch.tensor([[0.0, 0.5, 2.0], [9.0, 9.0, 9.0]])
    valid = torch.tensor([True, False])
    one = Routing(weights=weights, probs=weights, logits=weights, valid=valid)
    assert Sparsity().compute(one).item() == 2.5


def test_the_factor_follows_the_share_of_zeros() -> None:
    # 4 of 6 weights are 0: fewer than 0.8, so the loss grows; more than 0.5, so it shrinks
    weights = torch.tensor([[0.0, 0.5, 2.0], [0.0, 0.0, 0.0]])
    tape = Tape(layer=Routing(weights=weights, probs=weights, logits=weights))
    two = torch.tensor(2.0, dtype=torch.float64)
    assert Sparsity(target=0.8).adapt(two, tape, share=1.0).item() == pytest.approx(2.4)
    assert Sparsity(target=0.5).adapt(two, tape, share=1.0).item() == pytest.approx(2 / 1.2)
    # two halves of a step make one step
    half = Sparsity(target=0.8).adapt(two, tape, share=0.5)
    assert Sparsity(target=0.8).adapt(half, tape, share=0.5).item() == pytest.approx(2.4)
    assert Sparsity().adapt(two, tape, share=1.0) is two


def test_sparsity_leaves_padding_out() -> None:
    # the first unit alone: 1 of 3
    weights = torch.tensor([[0.0, 0.5, 2.0], [0.0, 0.0, 0.0]])
    valid = torch.tensor([True, False])
    one = Routing(weights=weights, probs=weights, logits=weights, valid=valid)
    assert compute_sparsity(one).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("fields", [{"target": 0.0}, {"target": 1.0}, {"rate": 1.0}])
def test_wrong_values_are_refused(fields) -> None:
    with pytest.raises(ValueError, match=r"Sparsity\((target|rate)="):
        Sparsity(**fields)
