"""Sparsity against values worked out by hand."""

import torch

from coterie.losses.sparsity import Sparsity
from coterie.routing.decision import Routing


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
