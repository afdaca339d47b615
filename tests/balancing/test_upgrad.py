"""UPGrad against projections worked out by hand."""

import pytest
import torch

from coterie.balancing.upgrad import UPGrad


def test_two_conflicting_tasks() -> None:
    # Of two vectors in a plane, the projection of g1 onto the dual cone {x : g1 . x >= 0,
    # g2 . x >= 0} takes out its component along g2, as PCGrad does: (1/2, 1/2) and (0, 1). UPGrad
    # has their mean. TorchJD adds 1e-4 to the normalised Gramian's diagonal.
    combined = UPGrad().build_aggregator()(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))
    assert combined.tolist() == pytest.approx([0.25, 0.75], abs=1e-3)


def test_tasks_without_conflict_are_averaged() -> None:
    combined = UPGrad().build_aggregator()(torch.tensor([[1.0, 0.0], [2.0, 1.0]]))
    assert combined.tolist() == pytest.approx([1.5, 0.5], abs=1e-3)
