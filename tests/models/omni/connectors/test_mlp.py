"""The MLP does not depend on the scale of its input, and keeps the number of tokens."""

import torch

from coterie.models.omni.connectors.mlp import MlpConnector


def test_the_scale_of_the_input_does_not_matter() -> None:
    network, x = MlpConnector().build(8, 4, 6), torch.randn(2, 3, 8)
    assert network(x).shape == (2, 3, 6) and MlpConnector().count_tokens(3) == 3
    torch.testing.assert_close(network(1000 * x), network(x), atol=1e-3, rtol=1e-3)
