"""Factors known beforehand: equal to the reference, and what is saved and computed once."""

import pytest
import torch

from coterie.experts.lora import Lora
from coterie.kernels import lora_by_shape
from coterie.kernels.lora_reference import LoraCall, RankLayout, apply_reference, keep_cast
from coterie.kernels.lora_scaled import apply_scaled, supports_scaled
from coterie.mixture import Mixture
from coterie.routing.decision import DeferredRouting
from coterie.routing.routers.top_k import TopK

LAYOUT = RankLayout((2, 2, 2), (0.5, 2.0, 1.0))
AWAKER = Mixture(
    experts=Lora(ranks=(2, 2)), router=TopK(k=1), shared=Lora(ranks=(2,)), blend="complement"
)


def make_call(dtype: torch.dtype = torch.float64, seed: int = 0) -> LoraCall:
    """Two samples of three tokens."""
    torch.manual_seed(seed)
    x, down, up, weight = (
        torch.randn(size, dtype=torch.float64) for size in ((6, 3), (6, 3), (6, 4), (4, 3))
    )
    return LoraCall(
        x=x.to(dtype).requires_grad_(),
        down=down.requires_grad_(),
        up=up.requires_grad_(),
        layout=LAYOUT,
        weight=weight.to(dtype),
        tokens_per_unit=3,
    )


def route(logits: torch.Tensor, results: dict | None) -> DeferredRouting:
    return DeferredRouting(
        make_decision=AWAKER.decide,
        logits=logits,
        per_sample=True,
        max_active=1,
        tied_results=results,
    )


@pytest.mark.parametrize("form", [apply_scaled, lora_by_shape.apply_per_sample])
def test_layers_that_share_a_decision_equal_the_reference_of_each(form) -> None:
    logits = torch.randn(2, 2, dtype=torch.float64).requires_grad_()
    calls = [make_call(seed=seed) for seed in range(3)]
    wanted_by, results = [leaf for call in calls for leaf in (call.x, call.down, call.up)], {}
    found = sum(form(call, route(logits, results))[0].square().sum() for call in calls)
    wanted = sum(apply_reference(call, route(logits, None))[0].square().sum() for call in calls)
    torch.testing.assert_close(found, wanted)
    pairs = (torch.autograd.grad(each, [logits, *wanted_by]) for each in (found, wanted))
    for got, want in zip(*pairs, strict=True):
        torch.testing.assert_close(got, want)
    # The decision itself, and one form of its factors, for all three layers.
    assert len(results) == 2


def test_one_decision_serves_a_tie_group() -> None:
    calls = []

    def decide(logits):
        calls.append(len(logits))
        return AWAKER.decide(logits)

    results = {}
    for _ in range(3):
        deferred = DeferredRouting(
            make_decision=decide, logits=torch.zeros(2, 2), per_sample=True, tied_results=results
        )
        apply_scaled(make_call(torch.float32), deferred)
    assert calls == [2]


def test_nothing_of_the_decision_is_computed_where_nothing_is_routed() -> None:
    call = make_call()
    constant = DeferredRouting(
        make_decision=lambda _: pytest.fail("the decision is known"),
        logits=torch.zeros(1, 3),
        is_uniform=True,
        constant=(1.0, 1.0, -1.0),
        tied_results={"decision": AWAKER.decide(torch.zeros(1, 2))},
    )
    # Factors by rank: 0.5 * 1, 2 * 1, 1 * -1, twice each.
    factors = torch.tensor([0.5, 0.5, 2.0, 2.0, -1.0, -1.0], dtype=torch.float64)
    base = call.x @ call.weight.t()
    wanted = base + (call.x @ call.down.t() * factors) @ call.up
    for form in (apply_scaled, lora_by_shape.apply_merged):
        torch.testing.assert_close(form(call, constant)[0], wanted)


def test_one_expert_without_a_gate_is_scaled_by_a_number() -> None:
    x, down, up = (torch.tensor([each], dtype=torch.float64, requires_grad=True)
                   for each in ([1.0, 2.0], [3.0, 1.0], [2.0]))  # fmt: skip
    call = LoraCall(
        x=x, down=down, up=up, layout=RankLayout((1,), (4.0,)), weight=torch.zeros(1, 2).double()
    )
    nothing = DeferredRouting(
        make_decision=Mixture(experts=Lora(ranks=(1,)), gate=None).decide,
        logits=torch.zeros(1, 1),
        is_uniform=True,
        constant=(1.0,),
    )
    out, _ = lora_by_shape.apply_merged(call, nothing)
    # 4 * 2 * (3 * 1 + 1 * 2) = 40; d_x = 4 * 2 * [3, 1]; d_down = 4 * 2 * [1, 2]; d_up = 4 * 5.
    assert out.item() == 40
    d_x, d_down, d_up = torch.autograd.grad(out.sum(), (x, down, up))
    assert (d_x.tolist(), d_down.tolist(), d_up.tolist()) == ([[24, 8]], [[8, 16]], [[20]])


def test_cast_maps_are_kept_while_they_are_small() -> None:
    halves = torch.zeros(6, 3), torch.zeros(6, 4)
    # 3 + 4 numbers a rank: at most 2 * 4 tokens, more than 2 * 3.
    assert keep_cast(torch.zeros(4, 3), *halves) == halves
    assert keep_cast(torch.zeros(3, 3), *halves) == (None, None)


@pytest.mark.parametrize("tokens", [3, 60])
def test_gradients_are_the_same_with_kept_and_with_repeated_casts(tokens: int) -> None:
    torch.manual_seed(0)
    shapes = ((2 * tokens, 3), (6, 3), (6, 4), (4, 3))
    x, down, up, weight = (torch.randn(size) for size in shapes)
    leaves = [x.bfloat16().requires_grad_(), down.requires_grad_(), up.requires_grad_()]
    call = LoraCall(
        x=leaves[0], down=down, up=up, layout=LAYOUT, weight=weight.bfloat16(),
        tokens_per_unit=tokens,
    )  # fmt: skip
    deferred = route(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), None)
    found, wanted = (
        torch.autograd.grad(form(call, deferred)[0].float().square().mean(), leaves)
        for form in (apply_scaled, apply_reference)
    )
    for got, want in zip(found, wanted, strict=True):
        # bfloat16 keeps 8 bits.
        assert got.dtype == want.dtype
        assert (got - want).abs().max() <= 0.05 * want.abs().max()


def test_only_decisions_for_a_sample_or_the_batch_are_supported() -> None:
    call, logits = make_call(), torch.zeros(6, 2)
    by_token = DeferredRouting(make_decision=AWAKER.decide, logits=logits)
    of_batch = DeferredRouting(make_decision=AWAKER.decide, logits=logits[:1], is_uniform=True)
    weight = DeferredRouting(make_decision=AWAKER.decide, gate_weight=torch.zeros(2, 3))
    single = LoraCall(x=call.x, down=call.down, up=call.up, layout=LAYOUT, weight=call.weight)
    found = [supports_scaled(single, each) for each in (by_token, of_batch, weight)]
    assert found == [False, True, False]
    assert supports_scaled(call, route(logits[:2], None))
