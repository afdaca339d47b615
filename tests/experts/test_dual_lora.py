import pytest
import torch
from torch import nn

from coterie import DualLora, InstanceGate, Lora, Mixture, Rectified, TokenGate
from coterie.experts.base import ExpertLayer
from coterie.routing.decision import DeferredRouting


def build(kind: DualLora, width: int, out: int) -> tuple[ExpertLayer, nn.Linear]:
    host = nn.Linear(width, out, bias=False).requires_grad_(False)
    layer = kind.build(host, None)
    assert layer is not None
    return layer, host


def test_worked_by_hand() -> None:
    # skills S x = [1, 3]: mean 2, variance 1, normed [-1, 1] (but for epsilon)
    # tasks T x = [-0.5, 2], rectified [0, 2]; product [0, 2]; up [1, 1]: 2; scale 2: 4
    layer, host = build(DualLora(rank=2), 1, 1)
    host.weight.data[:] = 7
    layer.down.data = torch.tensor([[1.0], [3.0]])
    layer.up.data = torch.ones(2, 1)
    mixture = Mixture(experts=DualLora(rank=2), router=Rectified())
    for kernel in ("auto", "reference"):
        deferred = DeferredRouting(
            make_decision=mixture.decide, gate_weight=torch.tensor([[-0.5], [2.0]])
        )
        layer.kind = DualLora(rank=2, kernel=kernel)
        out, decision = layer(host, torch.ones(1, 3, 1), deferred)
        torch.testing.assert_close(out, torch.full((1, 3, 1), 7 + 4.0), atol=1e-4, rtol=0)
        torch.testing.assert_close(decision.weights, torch.tensor([0.0, 2.0]).expand(1, 3, 2))


def test_size_is_that_of_the_paper() -> None:
    # query and value of LLaVA-7B's 32 layers of width 4096, rank 32: per linear layer three
    # matrices of 32 * 4096 and the norm's 2 * 32; a LoRA has two matrices
    layer, _ = build(DualLora(), 4096, 4096)
    gate = TokenGate(bias=False).build(4096, 32, 0)
    dual = sum(each.numel() for part in (layer, gate) for each in part.parameters())
    assert 64 * dual == 25_169_920
    plain = Lora(ranks=(32,)).build(nn.Linear(4096, 4096), None)
    assert 64 * sum(each.numel() for each in plain.parameters()) == 16_777_216


def test_one_product_equals_two() -> None:
    torch.manual_seed(0)
    gate_weight = torch.randn(4, 6, requires_grad=True)
    x = torch.randn(2, 3, 6, requires_grad=True)
    mixture = Mixture(experts=DualLora(rank=4), gate=TokenGate(bias=True), router=Rectified())
    layer, host = build(DualLora(rank=4), 6, 5)
    nn.init.normal_(layer.up)
    answers = []
    for kernel in ("auto", "reference"):
        layer.kind = DualLora(rank=4, kernel=kernel)
        bias = torch.linspace(-1, 1, 4)
        deferred = DeferredRouting(
            make_decision=mixture.decide, gate_weight=gate_weight, gate_bias=bias
        )
        out, _ = layer(host, x, deferred)
        grads = torch.autograd.grad(out.square().sum(), (x, gate_weight, *layer.parameters()))
        answers.append((out, *grads))
    for first, second in zip(*answers, strict=True):
        torch.testing.assert_close(first, second)


def test_dropout_is_of_the_skill_space_alone() -> None:
    layer, host = build(DualLora(rank=3, dropout=0.5), 6, 4)
    mixture = Mixture(experts=DualLora(rank=3), router=Rectified())
    x, gate = torch.randn(1, 8, 6), torch.randn(3, 6)
    deferred = DeferredRouting(make_decision=mixture.decide, gate_weight=gate)
    _, decision = layer.train()(host, x, deferred)
    torch.testing.assert_close(decision.weights, (x @ gate.t()).relu())


@pytest.mark.parametrize(
    ("fields", "message"),
    [(dict(rank=0), "at least 1"), (dict(dropout=1.0), "share in")],
)
def test_wrong_values_are_refused(fields, message) -> None:
    with pytest.raises(ValueError, match=message):
        DualLora(**fields)


def test_wrong_places_are_refused() -> None:
    with pytest.raises(ValueError, match="linear layers, not at Conv1d"):
        DualLora().build(nn.Conv1d(2, 2, 1), None)
    with pytest.raises(ValueError, match="no always-on expert"):
        DualLora().build(nn.Linear(2, 2), DualLora(rank=1))


def test_it_has_no_copies_and_takes_other_gates() -> None:
    assert "normalised" in (DualLora().find_copy_problem(None) or "")
    assert DualLora(rank=4).make_single() == DualLora(rank=1)
    assert (
        Mixture(experts=DualLora(rank=4), gate=InstanceGate(), router=Rectified()).num_experts == 4
    )
