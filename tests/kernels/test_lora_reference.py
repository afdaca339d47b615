import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.experts.lora import KERNELS, Lora
from coterie.kernels.lora_reference import LoraCall, RankLayout, apply_reference
from coterie.mixture import Mixture
from coterie.routing.decision import DeferredRouting
from coterie.routing.routers.rectified import Rectified
from coterie.routing.routers.softmax import Softmax
from coterie.routing.routers.top_k import TopK
from coterie.routing.routers.top_p import TopP

ROUTERS = [
    TopK(k=1),
    TopK(k=2, normalize="selected"),
    Rectified(bias=0.1),
    TopP(p=0.6),
    Softmax(),
    # every expert's weight is zero for every token
    Rectified(bias=-100.0),
]
BLENDS = [(None, "add", 1), (Lora(ranks=(3,)), "add", 1), (Lora(ranks=(3,)), "complement", 2)]


def example(seed, ranks, units, per_unit, router, blend, dtype, plain, shape, favourite=False):
    """A call, its gating and the tensors whose gradients are compared.

    `favourite`: every token wants the first expert, and the others are empty.
    """
    shared, how, power = blend
    generator = torch.Generator().manual_seed(seed)
    width, out, tokens = 5, 6, units * per_unit

    def new(*size):
        return torch.randn(*size, generator=generator, dtype=torch.float64).to(dtype)

    mixture = Mixture(
        experts=Lora(ranks=ranks), router=router, shared=shared, blend=how, weight_exponent=power
    )
    segments = RankLayout((*ranks, *(shared.ranks if shared else ())), (0.5,) * (
        len(ranks) + (shared is not None)))  # fmt: skip
    rank = sum(segments.ranks)
    leaves = {"x": new(tokens, width), "down": new(rank, width), "up": new(rank, out)}
    if shape == "rows":
        leaves |= {"rows": new(len(ranks), width), "offset": new(len(ranks))}
    else:
        leaves["logits"] = new({"token": tokens, "sample": units, "all": 1}[shape], len(ranks))
    if favourite:
        leaves["offset" if shape == "rows" else "logits"][..., 0] += 50
    for leaf in leaves.values():
        leaf.requires_grad_()
    host = {"weight": new(out, width), "bias": new(out)} if plain else {
        "base_output": new(tokens, out)}  # fmt: skip
    call = LoraCall(
        x=leaves["x"], down=leaves["down"], up=leaves["up"], layout=segments,
        tokens_per_unit=per_unit if shape == "sample" else 1, **host,
    )  # fmt: skip
    gating = DeferredRouting(
        make_decision=mixture.decide, logits=leaves.get("logits"),
        gate_weight=leaves.get("rows"),
        gate_bias=leaves.get("offset"), per_sample=shape == "sample", is_uniform=shape == "all",
        max_active=router.get_max_active(len(ranks)),
    )  # fmt: skip
    return call, gating, leaves


def answers(form, call, gating, leaves):
    out, decision = form(call, gating)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    routing = torch.linspace(0, 1, decision.weights.numel()).view_as(decision.weights)
    # what a loss on the tape would send back joins what the output sends
    loss = (out * weight).sum() + (decision.weights * routing).sum().to(out.dtype)
    loss = loss + (decision.probs * routing.flip(0)).sum() + decision.logits.square().sum()
    grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return [out, *decision, *grads]


def possible(name, call, gating):
    if name == "merged":
        return gating.is_uniform and call.weight is not None
    if name == "per_sample":
        return gating.per_sample and len(set(call.layout.ranks)) == 1
    return True


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    ranks=st.sampled_from([(3,), (3, 3), (1, 2, 4), (3, 3, 3, 3)]),
    units=st.integers(1, 5),
    per_unit=st.integers(1, 4),
    router=st.sampled_from(ROUTERS),
    blend=st.sampled_from(BLENDS),
    plain=st.booleans(),
    shape=st.sampled_from(["rows", "token", "sample", "all"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    favourite=st.booleans(),
)
def test_every_form_equals_the_reference(
    seed, ranks, units, per_unit, router, blend, plain, shape, dtype, favourite
):
    if router.__class__ is TopK and router.k > len(ranks):
        router = TopK(k=1)
    arguments = (seed, ranks, units, per_unit, router, blend, dtype, plain, shape, favourite)
    call, gating, leaves = example(*arguments)
    wanted = answers(apply_reference, call, gating, leaves)
    for name, form in KERNELS.items():
        if possible(name, call, gating):
            for got, want in zip(answers(form, call, gating, leaves), wanted, strict=True):
                got = torch.zeros_like(want) if got is None and want is not None else got
                largest = 1.0 if want is None else max(1.0, want.abs().max().item())
                torch.testing.assert_close(
                    got,
                    want,
                    atol=1e-4 * largest,
                    rtol=1e-4,
                    msg=lambda text, name=name: f"{name}: {text}",
                )


@pytest.mark.parametrize(
    "name", ["fused", "concatenated", "sorted_dispatch", "per_sample", "merged"]
)
def test_bfloat16_activations_keep_their_dtype_and_adapters_are_cast(name):
    shape = {"per_sample": "sample", "merged": "all"}.get(name, "rows")
    arguments = (0, (3, 3), 4, 8, TopK(k=1), BLENDS[0], torch.float32, True, shape)
    call, gating, _ = example(*arguments)
    wanted, _ = apply_reference(call, gating)
    half = LoraCall(
        x=call.x.bfloat16(), down=call.down, up=call.up, layout=call.layout,
        weight=call.weight.bfloat16(), bias=call.bias.bfloat16(),
        tokens_per_unit=call.tokens_per_unit,
    )  # fmt: skip
    out, decision = KERNELS[name](half, gating)
    assert out.dtype == torch.bfloat16
    assert decision.weights.dtype == torch.float32
    # bfloat16 keeps 8 bits: errors of 1/128 of the largest value, a few products deep; a token
    # whose logits nearly tie may choose another expert
    wrong = (out.float() - wanted).abs() > 0.05 * wanted.abs().max()
    assert wrong.float().mean() < 0.1


@pytest.mark.parametrize("shape", ["rows", "token", "sample", "all"])
@pytest.mark.parametrize("router", [Softmax(), TopK(k=2, normalize="selected")])
def test_reference_gradients_are_those_of_finite_differences(shape, router):
    arguments = (3, (1, 2), 2, 2, router, BLENDS[2], torch.float64, True, shape)
    call, gating, leaves = example(*arguments)
    decide = gating.make_decision

    def of_leaves(*values):
        named = dict(zip(leaves, values, strict=True))
        again = DeferredRouting(
            make_decision=decide, logits=named.get("logits"), gate_weight=named.get("rows"),
            gate_bias=named.get("offset"), per_sample=gating.per_sample,
            is_uniform=gating.is_uniform,
        )  # fmt: skip
        changed = LoraCall(
            x=named["x"], down=named["down"], up=named["up"], layout=call.layout,
            weight=call.weight, bias=call.bias, tokens_per_unit=call.tokens_per_unit,
        )  # fmt: skip
        return apply_reference(changed, again)[0]

    assert torch.autograd.gradcheck(of_leaves, tuple(leaves.values()), atol=1e-4)


def test_fused_by_hand():
    # x = [1, 2]; two experts of rank 1: down [1, 0] and [0, 1], up [1] and [10]; scales 1 and 2
    # gates .25 and .75; host 0
    # expert 1: 1 * 1 * 1 * .25 = .25; expert 2: 2 * 10 * 2 * .75 = 30; together 30.25
    call = LoraCall(
        x=torch.tensor([[1.0, 2.0]]),
        down=torch.eye(2),
        up=torch.tensor([[1.0], [10.0]]),
        layout=RankLayout((1, 1), (1.0, 2.0)),
        base_output=torch.zeros(1, 1),
    )
    gates = torch.tensor([[0.25, 0.75]])
    decide = Mixture(experts=Lora(ranks=(1, 1)), router=Rectified()).decide
    for form in (
        KERNELS["fused"],
        KERNELS["sorted_dispatch"],
        KERNELS["concatenated"],
        apply_reference,
    ):
        out, _ = form(call, DeferredRouting(make_decision=decide, logits=gates))
        assert out.item() == pytest.approx(30.25)


def test_a_cache_made_in_inference_mode_serves_training():
    segments = RankLayout((2, 5), (1.0, 3.0))
    with torch.inference_mode():
        segments.make_expansion_matrix(torch.zeros(1))
    x = torch.randn(3, 2, requires_grad=True)
    (x @ segments.make_expansion_matrix(x)).sum().backward()
    assert x.grad is not None
