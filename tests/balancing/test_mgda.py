"""MGDA against the shortest vector worked out by hand."""

import pytest
import torch

from coterie.balancing.mgda import MGDA


def test_shortest_convex_combination() -> None:
    # a (1, 0) + (1 - a) (0, 2): |.|^2 = a^2 + 4 (1 - a)^2 is least at a = 4/5: (4/5, 2/5)
    combined = MGDA().build_aggregator()(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert combined.tolist() == pytest.approx([0.8, 0.4], abs=1e-4)


def test_a_short_gradient_alone_is_followed() -> None:
    # (1, 0) is shorter than any mixture of it with (3, 1).
    combined = MGDA().build_aggregator()(torch.tensor([[1.0, 0.0], [3.0, 1.0]]))
    assert combined.tolist() == pytest.approx([1.0, 0.0], abs=1e-4)


@pytest.mark.parametrize(
    "settings, message",
    [({"epsilon": 0.0}, r"MGDA\(epsilon=0.0\)"), ({"max_iterations": 0}, r"max_iterations=0\)")],
)
def test_bad_settings(settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MGDA(**settings)
