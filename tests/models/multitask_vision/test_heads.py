"""Heads, by hand."""

import pytest
import torch

from coterie.models.multitask_vision.heads import PooledHead


def test_the_whole_picture_is_averaged_and_then_normalised_twice() -> None:
    # Two patches (0, 6) and (2, 0): mean (1, 3), whose norm is (-1, 1). fc_norm makes of it
    # (-1, 1) * (3, 1) + (0, 2) = (-3, 3), the second norm (-1, 1), the linear map -1 * 2 + 1 * 5.
    # Normalised before the mean, both patches would cancel: (-1, 1) and (1, -1).
    head = PooledHead(2, 1)
    with torch.no_grad():
        head.fc_norm.weight.copy_(torch.tensor([3.0, 1.0]))
        head.fc_norm.bias.copy_(torch.tensor([0.0, 2.0]))
        head.linear.weight.copy_(torch.tensor([[2.0, 5.0]]))
        head.linear.bias.zero_()
    patches = torch.tensor([[0.0, 2.0], [6.0, 0.0]]).view(1, 2, 1, 2)
    assert head(patches).item() == pytest.approx(3.0, abs=1e-4)
    assert (head.fc_norm.eps, head.norm.eps) == (1e-6, 1e-5)
