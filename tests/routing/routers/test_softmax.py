import pytest
import torch

from coterie.routing.routers.softmax import Softmax


def test_soft_is_the_softmax():
    weights, probs = Softmax()(torch.tensor([[0.0, 0.0, 0.0, 0.0]]), None)
    assert weights.tolist() == [[0.25] * 4]
    assert torch.equal(weights, probs)


def test_temperature_divides_the_logits():
    # logits [2, 0] / 2 = [1, 0]: 1 / (1 + e^-1) = .7311
    weights, _ = Softmax(temperature=2.0)(torch.tensor([[2.0, 0.0]]), None)
    torch.testing.assert_close(weights, torch.tensor([[0.7311, 0.2689]]), atol=5e-5, rtol=0)


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match="temperature=0"):
        Softmax(temperature=0.0)
