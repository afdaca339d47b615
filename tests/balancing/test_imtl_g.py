"""IMTL-G against a direction worked out by hand."""

import pytest
import torch

from coterie.balancing.imtl_g import IMTLG


def test_projections_onto_the_tasks_are_equal() -> None:
    # G = diag(1, 4), d = (1, 2), v = G^-1 d = (1, 1/2), weights v / 1.5 = (2/3, 1/3):
    # (2/3, 2/3), whose projections onto (1, 0) and (0, 1) are both 2/3
    combined = IMTLG().build_aggregator()(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert combined.tolist() == pytest.approx([2 / 3, 2 / 3], rel=1e-4)
