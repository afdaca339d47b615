"""PCGrad against projections worked out by hand."""

import pytest
import torch

from coterie.balancing.pcgrad import PCGrad


def test_two_conflicting_tasks() -> None:
    # g1 = (1, 0), g2 = (-1, 1), g1 . g2 = -1.
    # g1 - (g1 . g2) / |g2|^2 g2 = (1, 0) + 1/2 (-1, 1) = (1/2, 1/2)
    # g2 - (g1 . g2) / |g1|^2 g1 = (-1, 1) + (1, 0) = (0, 1)
    combined = PCGrad().build_aggregator()(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))
    assert combined.tolist() == pytest.approx([0.5, 1.5])


def test_tasks_without_conflict_are_added() -> None:
    combined = PCGrad().build_aggregator()(torch.tensor([[1.0, 0.0], [2.0, 1.0]]))
    assert combined.tolist() == pytest.approx([3.0, 1.0])
