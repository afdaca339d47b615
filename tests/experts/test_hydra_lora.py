import pytest
import torch
from torch import nn

from coterie import HydraLora, Mixture, Softmax, TokenGate
from coterie.routing.decision import DeferredRouting


def build(kind: HydraLora, width: int, out: int):
    host = nn.Linear(width, out, bias=False).requires_grad_(False)
    return kind.build(host, None), host


@pytest.mark.parametrize("kernel", ["auto", "reference"])
def test_worked_by_hand(kernel) -> None:
    # down x = 3 * 2 = 6; heads 1 and 10; weights 0.25 and 0.75; scale 16 / 8 = 2
    # 2 * (0.25 * 6 * 1 + 0.75 * 6 * 10) = 2 * (1.5 + 45) = 93, and the host's own 5 * 2 = 10
    layer, host = build(HydraLora(count=2, rank=1, alpha=2.0, kernel=kernel), 1, 1)
    host.weight.data[:] = 5
    layer.down.data[:], layer.up.data = 3, torch.tensor([[[1.0]], [[10.0]]])
    logits = torch.tensor([0.25, 0.75]).log().expand(1, 1, 2)
    deferred = DeferredRouting(
        make_decision=Mixture(experts=HydraLora(count=2), router=Softmax()).decide, logits=logits
    )
    out, _ = layer(host, torch.full((1, 1, 1), 2.0), deferred)
    torch.testing.assert_close(out, torch.full((1, 1, 1), 103.0))


def test_the_parameters_of_an_expert_are_those_of_its_head() -> None:
    # down 4 * 6 is shared; a head has 4 * 5 = 20
    layer, _ = build(HydraLora(count=4, rank=4), 6, 5)
    assert HydraLora(count=4, rank=4).count_parameters(layer, None) == [20] * 4


def test_its_factors_make_the_same_change() -> None:
    kind = HydraLora(count=2, rank=3)
    layer, host = build(kind, 6, 5)
    nn.init.normal_(layer.up)
    factors = kind.get_low_rank_factors(layer)
    x, gates = torch.randn(1, 4, 6), torch.tensor([0.3, 0.7])
    deferred = DeferredRouting(
        make_decision=Mixture(experts=kind, router=Softmax()).decide,
        logits=gates.log().expand(1, 4, 2),
    )
    out, _ = layer(host, x, deferred)
    want = host(x)
    parts = zip(factors.down.split(factors.ranks), factors.up.split(factors.ranks), strict=True)
    for (down, up), scale, gate in zip(parts, factors.scales, gates, strict=True):
        want = want + gate * scale * (x @ down.t()) @ up
    torch.testing.assert_close(out, want)


@pytest.mark.parametrize(
    ("fields", "message"),
    [(dict(rank=0), "at least 1"), (dict(count=0), "at least 1"), (dict(dropout=1.0), "share in")],
)
def test_wrong_values_are_refused(fields, message) -> None:
    with pytest.raises(ValueError, match=message):
        HydraLora(**fields)


def test_wrong_places_are_refused() -> None:
    with pytest.raises(ValueError, match="linear layers, not at Conv1d"):
        HydraLora().build(nn.Conv1d(2, 2, 1), None)
    with pytest.raises(ValueError, match="no always-on expert"):
        HydraLora().build(nn.Linear(2, 2), HydraLora(count=1))
    assert "share one down" in (HydraLora().find_copy_problem(None) or "")
    assert HydraLora(count=3).make_single() == HydraLora(count=1)
    assert Mixture(experts=HydraLora(count=3), gate=TokenGate()).num_experts == 3
