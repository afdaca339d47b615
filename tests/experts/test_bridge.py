"""Views on older experts: what a bridge adds, by hand; grown models are in tests/train."""

import re
from typing import Any

import pytest
import torch
from torch import nn

from coterie import Bridge, Lora, Mixture, Softmax, TaskGate
from coterie.experts.base import ExpertLayer, Experts
from coterie.routing.decision import DeferredRouting


def build(kind: Bridge, *older: tuple[Experts, ExpertLayer]) -> Any:
    layer: Any = kind.build(HOST, None)
    layer.view_older(older)
    return layer


def make_lora(down: list[list[float]], up: list[list[float]], **fields: Any) -> Any:
    kind = Lora(ranks=(len(down),), **fields)
    layer: Any = kind.build(HOST, None)
    layer.down.data, layer.up.data = torch.tensor(down), torch.tensor(up)
    return kind, layer


def run(layer: Any, *weights: float, x: list[float]) -> list[float]:
    """Return the output for one token where the gate's weights are these."""
    gates = torch.tensor(weights).log().expand(1, 1, len(weights))
    mixture = Mixture(experts=layer.kind, gate=TaskGate(), router=Softmax())
    deferred = DeferredRouting(make_decision=mixture.decide, logits=gates)
    out, _ = layer(HOST, torch.tensor([[x]]), deferred)
    return out.flatten().tolist()


HOST = nn.Linear(2, 1, bias=False).requires_grad_(False)
HOST.weight.data = torch.tensor([[1.0, 1.0]])
# down x of x = (1, 2) is (1, 2); up adds 10 * 1 + 100 * 2 = 210; the scale is 4 / 2 = 2: 420.
OLD = make_lora([[1.0, 0.0], [0.0, 1.0]], [[10.0], [100.0]], alpha=4.0)


def test_it_starts_as_the_old_adapter() -> None:
    # The base has 1 + 2 = 3; the gate gives the old adapter 1/2, and the factor 2 makes it whole.
    kind = Bridge(ranks=(1,), older_ranks=(2,), older_factors=(2.0,))
    assert run(build(kind, OLD), 0.5, 0.5, x=[1.0, 2.0]) == pytest.approx([423.0])


def test_the_bridge_is_between_down_and_up() -> None:
    kind = Bridge(ranks=(1,), alpha=1.0, older_ranks=(2,))
    layer = build(kind, OLD)
    # F (1, 2) = (0 * 1 + 1 * 2, 3 * 1) = (2, 3); up: 10 * 2 + 100 * 3 = 320; times 2 / 4 = 160.
    layer.bridge_0.data = torch.tensor([[0.0, 1.0], [3.0, 0.0]])
    # The new one, with weight 3/4 and scale 1: 4 * (1 + 2) = 12, so 9.
    layer.down.data, layer.up.data = torch.tensor([[1.0, 1.0]]), torch.tensor([[4.0]])
    assert run(layer, 0.25, 0.75, x=[1.0, 2.0]) == pytest.approx([3 + 160 + 9])
    # Without a bridge nothing is left of the old one: there are no biases.
    layer.bridge_0.data.zero_()
    assert run(layer, 0.25, 0.75, x=[1.0, 2.0]) == pytest.approx([3 + 9])


def test_each_is_a_lora_of_the_same_rank_again() -> None:
    kind = Bridge(ranks=(1,), older_ranks=(2,), older_factors=(0.5,))
    layer = build(kind, OLD)
    layer.bridge_0.data = torch.tensor([[0.0, 1.0], [3.0, 0.0]])
    factors = kind.get_low_rank_factors(layer)
    # The old scale 2, times its factor; 16 / 1 of the new one.
    assert factors.ranks == (2, 1) and factors.scales == (1.0, 16.0)
    # F A = [[0, 1], [3, 0]] [[1, 0], [0, 1]].
    assert torch.equal(factors.down[:2], layer.bridge_0)
    # (10, 100) F A = (300, 10)
    assert factors.compute_delta((1.0, 0.0)).tolist() == [[300.0, 10.0]]


def test_what_is_trained() -> None:
    layer = build(Bridge(ranks=(1,), older_ranks=(2,)), OLD)
    names = [name for name, _ in layer.named_parameters()]
    assert names == ["down", "up", "bridge_0"]  # the older ones are no parameters of it
    nn.init.ones_(layer.up)
    mixture = Mixture(experts=layer.kind, gate=TaskGate(), router=Softmax())
    equal = DeferredRouting(make_decision=mixture.decide, logits=torch.zeros(1, 1, 2))
    out, _ = layer(HOST, torch.ones(1, 1, 2), equal)
    out.sum().backward()
    assert all(parameter.grad.any() for parameter in layer.parameters())
    assert OLD[1].down.grad is None and OLD[1].up.grad is None


def test_a_later_step_views_new_experts_and_no_bridges() -> None:
    first = Bridge(ranks=(1,), older_ranks=(2,))
    second = Bridge(ranks=(1,), older_ranks=(2, 1))
    layer = build(second, OLD, (first, build(first, OLD)))
    assert second.get_low_rank_factors(layer).ranks == (2, 1, 1)
    assert second.get_names() == ["bridge 1", "bridge 2", "rank 1"]


def test_sizes_at_the_places_of_the_paper() -> None:
    # Rank 8: 768 -> 768 is 8 * (768 + 768) = 12,288; PathWeave's 13,065 has 776 biases and a scale
    # more. 1408 -> 768 is 8 * 2176 = 17,408 (18,185); 768 -> 4096 is 8 * 4864 = 38,912 (43,017).
    # A bridge is 8 * 8 = 64, and 72 with its bias: 72 places have 4,608 and 5,184.
    kind = Bridge(older_ranks=(8,))
    for width, out, wanted in ((768, 768, 12288), (1408, 768, 17408), (768, 4096, 38912)):
        layer: Any = kind.build(nn.Linear(width, out, device="meta"), None)
        assert kind.count_parameters(layer, None) == [64, wanted]
        assert sum(each.numel() for each in layer.parameters()) == 64 + wanted


def test_sizes_of_a_modality_in_the_paper() -> None:
    # 12 layers of self-attention have q, k, v and an output of 768; 6 of cross-attention have q and
    # an output of 768, k and v of 1408: 60 and 12 places. The projection is 768 -> 4096.
    kind = Bridge(older_ranks=(8,))
    places = {(768, 768): 4 * 12 + 2 * 6, (1408, 768): 2 * 6, (768, 4096): 1}
    own = viewed = gates = 0
    for (width, out), count in places.items():
        layer: Any = kind.build(nn.Linear(width, out, device="meta"), None)
        own += count * (sum(each.numel() for each in layer.parameters()) - 64)
        if out == 768:  # the projection has neither gate nor bridge there
            viewed, gates = viewed + count * 64, gates + count * width
    # The paper's 1,045,137 have biases of 8 and of the output, and a scale, at each of 73 places.
    assert own + 72 * (8 + 768 + 1) + (8 + 4096 + 1) == 1_045_137
    # An older modality's bridges: 4,608 here; with a bias of 8 at 72 places 5,184; two, and three.
    assert viewed == 4_608
    assert [n * (viewed + 72 * 8) for n in (1, 2, 3)] == [5_184, 10_368, 15_552]
    # A gate has a row for each expert and one for its noise: of 62,976 features, with two to four.
    assert gates == 62_976
    for experts, wanted in ((2, 251_904), (3, 377_856), (4, 503_808)):
        rows = TaskGate(noisy=True).build(768, experts, 1).weight.numel() // 768
        assert rows * gates == wanted


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ranks": ()}, "give at least one rank"),
        ({"alpha": 0.0}, "allowed is anything above 0"),
        ({"older_ranks": (0,)}, "each is at least 1"),
        ({"older_ranks": (2,), "older_factors": (1.0, 1.0)}, "one for each of the 1 older_ranks"),
    ],
)
def test_wrong_values_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Bridge(**fields)


def test_other_ranks_than_those_of_the_older_experts_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("experts at the module have ranks (2,)")):
        build(Bridge(older_ranks=(4,)), OLD)
