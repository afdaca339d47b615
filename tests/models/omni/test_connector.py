"""A connector does not see the scale of what it reads."""

import torch

from coterie.models.omni.connector import Connector


def test_scale_does_not_matter() -> None:
    connector, x = Connector(8, 4, 6), torch.randn(2, 3, 8)
    assert connector(x).shape == (2, 3, 6)
    torch.testing.assert_close(connector(1000 * x), connector(x), atol=1e-3, rtol=1e-3)
