"""What every router owes, whichever file it is in: found, not listed."""

import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import coterie.routing.routers
from coterie.routing.routers.base import Router
from coterie.serialization import dump, find_kinds, load

EXAMPLE = Path(__file__).parents[2] / "examples" / "new_router.py"


def outside() -> list[type[Router]]:
    """The routers that an example defines outside the package."""
    names = runpy.run_path(str(EXAMPLE), run_name="examples.new_router")
    return [
        value
        for value in names.values()
        if isinstance(value, type) and issubclass(value, Router) and value is not Router
    ]


ROUTERS = [*find_kinds(coterie.routing.routers, Router), *outside()]


@pytest.mark.parametrize("kind", ROUTERS, ids=lambda kind: kind.__name__)
class TestRouter:
    def test_weights_have_the_shape_of_the_logits_and_are_finite(self, kind):
        logits = torch.randn(3, 7, 5)
        weights, probs = kind()(logits, None)
        assert weights.shape == probs.shape == logits.shape
        assert weights.dtype == probs.dtype == torch.float32
        assert weights.isfinite().all() and (weights >= 0).all()

    def test_gradient_reaches_the_logits(self, kind):
        logits = torch.randn(7, 5, requires_grad=True)
        weights, _ = kind()(logits, None)
        weights.square().sum().backward()
        assert logits.grad is not None and logits.grad.isfinite().all() and logits.grad.any()

    def test_the_same_logits_give_the_same_weights(self, kind):
        logits = torch.randn(7, 5)
        assert torch.equal(kind()(logits, None)[0], kind()(logits, None)[0])

    def test_experts_have_no_order(self, kind):
        logits, order = torch.randn(7, 5), torch.randperm(5)
        plain = kind()(logits, None)[0][:, order]
        torch.testing.assert_close(kind()(logits[:, order], None)[0], plain)

    def test_no_more_experts_than_it_says(self, kind):
        weights, _ = kind()(torch.randn(50, 5), None)
        assert (weights != 0).sum(-1).max() <= kind().get_max_active(5)

    def test_it_is_plain_data(self, kind, monkeypatch):
        if kind.__module__ not in sys.modules:  # the example was run, not imported
            module = ModuleType(kind.__module__)
            setattr(module, kind.__name__, kind)
            monkeypatch.setitem(sys.modules, kind.__module__, module)
        assert load(dump(kind())) == kind()
