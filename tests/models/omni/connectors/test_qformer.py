"""The Q-Former gives its queries' number of embeddings, and reads an item's own tokens alone."""

import pytest
import torch

from coterie.models.omni.connectors.qformer import QFormerConnector
from tests.tinies.base import seeded

KIND = QFormerConnector(queries=3, layers=3, heads=2, cross_every=2)


def test_an_item_is_as_alone() -> None:
    network = seeded(lambda: KIND.build(8, 16, 6)).eval()
    features, own = torch.randn(2, 5, 8), torch.arange(5) < torch.tensor([[2], [5]])
    with torch.no_grad():
        both = KIND.project(network, features, own)
        alone = KIND.project(network, features[:1, :2], own[:1, :2])
    assert both.shape == (2, 3, 6) and KIND.count_tokens(torch.tensor([2, 5])).tolist() == [3, 3]
    torch.testing.assert_close(both[:1], alone, atol=1e-6, rtol=1e-5)


def test_every_second_layer_reads_the_item() -> None:
    # Layers 0 and 2 of three.
    layers = KIND.build(8, 16, 6).qformer.encoder.layer
    assert [hasattr(each, "crossattention") for each in layers] == [True, False, True]


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match=r"heads=2\) does not divide the width 15: give heads"):
        KIND.build(8, 15, 6)
