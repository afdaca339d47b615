"""What every balancing must do, for every kind that the folder holds."""

import pytest
import torch

import coterie.balancing
from coterie import serialization
from coterie.balancing.base import Balancing

KINDS = serialization.find_kinds(coterie.balancing, Balancing)


def test_there_are_kinds() -> None:
    assert len(KINDS) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_absent_tasks_change_nothing(kind: type[Balancing]) -> None:
    module = kind().build(3)
    present = torch.tensor([True, False, True])
    values = []
    for absent in (0.0, 5.0, float("nan")):
        losses = torch.tensor([1.0, absent, 2.0], requires_grad=True)
        value = module(losses, present)
        value.backward()
        assert value.shape == () and value.dtype == torch.float32 and value.isfinite()
        assert losses.grad is not None and losses.grad[1] == 0 and losses.grad.isfinite().all()
        values.append(value.item())
    assert values[0] == values[1] == values[2]
    assert all(x.grad is not None and x.grad.isfinite().all() for x in module.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_is_saved_and_loaded(kind: type[Balancing]) -> None:
    assert serialization.loads(serialization.dumps(kind())) == kind()
