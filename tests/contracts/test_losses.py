"""What every loss on routing must do, for every kind that the folder holds."""

import dataclasses

import pytest
import torch
from torch import Tensor

import coterie.losses
from coterie import serialization
from coterie.losses.base import RoutingLoss
from coterie.routing.decision import Routing, Tape
from coterie.saved_classes import is_frozen_dataclass
from tests.losses.features import MODALITIES, features

KINDS = serialization.find_kinds(coterie.losses, RoutingLoss)


def leaves(units: int = 12, experts: int = 4) -> list[Tensor]:
    """Weights (top 2 of the probabilities), probabilities, logits and a layer's input, leaves."""
    logits = torch.randn(units, experts)
    probs = logits.softmax(-1)
    weights = probs.where(probs >= probs.topk(2).values[:, -1:], 0.0)
    return [x.detach().requires_grad_() for x in (weights, probs, logits, torch.randn(units, 4))]


def routing(
    parts: list[Tensor], valid: Tensor | None = None, order: Tensor | None = None
) -> Routing:
    """Three tasks; samples of four units, in the order given, half of them text."""
    weights, probs, logits, x = parts
    units = torch.arange(len(probs)) if order is None else order
    return Routing(
        weights=weights, probs=probs, logits=logits, num_tasks=3,
        task=torch.arange(len(probs)) % 3, valid=valid, modalities=MODALITIES,
        features=features(x, units // 4, units % 2, valid),
    )  # fmt: skip


def test_there_are_kinds() -> None:
    assert len(KINDS) >= 5


@pytest.mark.parametrize("kind", KINDS)
def test_is_a_frozen_dataclass_with_a_weight_and_defaults(kind: type[RoutingLoss]) -> None:
    assert is_frozen_dataclass(kind)
    assert "weight" in {field.name for field in dataclasses.fields(kind)}
    assert 0 < kind().weight < 1


@pytest.mark.parametrize("kind", KINDS)
def test_is_finite_float32_and_differentiable(kind: type[RoutingLoss]) -> None:
    parts = leaves()
    value = kind()(Tape(layer=routing(parts)))
    assert value.shape == () and value.dtype == torch.float32 and value.isfinite()
    value.backward()
    grads = [part.grad for part in parts if part.grad is not None]
    assert grads and all(grad.isfinite().all() for grad in grads)
    assert any(grad.abs().sum() > 0 for grad in grads)


@pytest.mark.parametrize("kind", KINDS)
def test_is_the_same_under_autocast(kind: type[RoutingLoss]) -> None:
    one = routing(leaves())
    with torch.autocast("cpu", torch.bfloat16):
        inside = kind().compute(one)
    torch.testing.assert_close(inside, kind().compute(one))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind: type[RoutingLoss]) -> None:
    parts = leaves()
    padded = [
        torch.cat((part.detach(), torch.full((3, 4), float("nan")))).requires_grad_()
        for part in parts
    ]
    valid = torch.arange(15) < 12
    plain, masked = kind()(Tape(a=routing(parts))), kind()(Tape(a=routing(padded, valid)))
    torch.testing.assert_close(masked, plain)
    plain.backward()
    masked.backward()
    for part, wider in zip(parts, padded, strict=True):
        if part.grad is None or wider.grad is None:
            assert part.grad is wider.grad is None
        else:
            torch.testing.assert_close(wider.grad[:12], part.grad)
            assert not wider.grad[12:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_units_changes_nothing(kind: type[RoutingLoss]) -> None:
    parts = leaves()
    order = torch.randperm(4).repeat_interleave(3) * 3 + torch.arange(12) % 3  # tasks stay in place
    shuffled = routing([part[order] for part in parts], order=order)
    torch.testing.assert_close(kind().compute(shuffled), kind().compute(routing(parts)))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_padding_is_finite(kind: type[RoutingLoss]) -> None:
    parts = leaves()
    value = kind()(Tape(a=routing(parts, torch.zeros(12, dtype=torch.bool))))
    value.backward()
    assert value.isfinite()
    assert all(part.grad is None or not part.grad.any() for part in parts)


@pytest.mark.parametrize("kind", KINDS)
def test_is_saved_and_loaded(kind: type[RoutingLoss]) -> None:
    loss = kind(weight=0.25)  # pyright: ignore[reportCallIssue]  # kinds have the field `weight`
    assert serialization.loads(serialization.dumps(loss)) == loss
