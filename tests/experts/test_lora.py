from types import SimpleNamespace

import pytest
import torch

from coterie.experts.lora import Lora, select_kernel
from coterie.kernels.lora_reference import LoraCall, RankLayout
from coterie.mixture import Mixture
from coterie.routing.decision import DeferredRouting
from coterie.routing.routers.softmax import Softmax
from coterie.routing.routers.top_k import TopK

SAMPLE = dict(max_active=1, per_sample=True)


def call(tokens, width, ranks, weight=True, per_unit=1):
    return LoraCall(
        x=torch.zeros(tokens, width),
        down=torch.zeros(sum(ranks), width),
        up=torch.zeros(sum(ranks), 4),
        layout=RankLayout(ranks, (1.0,) * len(ranks)),
        weight=torch.zeros(4, width) if weight else None,
        tokens_per_unit=per_unit,
    )


@pytest.mark.parametrize(
    ("shape", "gating", "form"),
    [
        # soft routing and small total rank: one concatenated map
        (dict(tokens=64, width=8, ranks=(8,) * 4), {}, "fused"),
        # top-2 of total rank 256 > 64 * 2: expert by expert, 4096 * 16 * (64 + 4) > 4e6 each
        (dict(tokens=4096, width=64, ranks=(16,) * 16), dict(max_active=2), "sorted_dispatch"),
        # 512 * 16 * (64 + 4) < 4e6: one map, which is faster than many small ones
        (dict(tokens=512, width=64, ranks=(16,) * 16), dict(max_active=2), "fused"),
        # top-2 of total rank 128 = 64 * 2: still one map
        (dict(tokens=64, width=8, ranks=(16,) * 8), dict(max_active=2), "fused"),
        # one expert a sample, equal ranks: gathered
        (dict(tokens=64, width=8, ranks=(8,) * 4, per_unit=32), SAMPLE, "per_sample"),
        (dict(tokens=64, width=8, ranks=(8, 4), per_unit=32), SAMPLE, "fused"),
        # one token a sample, as in generation
        (dict(tokens=2, width=8, ranks=(8,) * 4), SAMPLE, "fused"),
        # one task in the batch: folded once tokens outnumber half the width
        (dict(tokens=64, width=8, ranks=(8,) * 4), dict(is_uniform=True), "merged"),
        (dict(tokens=4, width=8, ranks=(8,) * 4), dict(is_uniform=True), "fused"),
        # a quantised host has no weight to fold into
        (dict(tokens=64, width=8, ranks=(8,) * 4, weight=False), dict(is_uniform=True), "fused"),
    ],
)  # fmt: skip
def test_the_form_follows_the_shape(shape, gating, form):
    assert (
        select_kernel(call(**shape), DeferredRouting(make_decision=lambda logits: logits, **gating))
        == form
    )


@pytest.mark.parametrize(("rank", "form"), [(64, "fused"), (65, "per_sample")])
def test_a_gpu_runs_all_experts_up_to_a_total_rank(rank, form):
    # four experts of rank 64: 256, the limit
    found = call(tokens=64, width=8, ranks=(rank,) * 4, per_unit=32)
    on_device = SimpleNamespace(**{**vars(found), "x": SimpleNamespace(is_cuda=True, dtype=None)})
    gating = DeferredRouting(make_decision=lambda logits: logits, **SAMPLE)
    assert select_kernel(on_device, gating) == form


def test_a_linear_that_returns_more_than_its_output_is_refused():
    class Router(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x), x

    layer = Lora(ranks=(2,)).build(host := Router(6, 5), None)
    deferred = gating_of(Lora(ranks=(2,)), Softmax(), logits=torch.zeros(3, 1))
    with pytest.raises(ValueError, match=r"a Router, .* returns a tuple and not a tensor"):
        layer(host, torch.ones(3, 6), deferred)


def layer_of(lora):
    host = torch.nn.Linear(6, 5).requires_grad_(False)
    layer = lora.build(host, None)
    torch.nn.init.normal_(layer.up)
    return layer, host


def gating_of(lora, router, logits=None, rows=None):
    decide = Mixture(experts=lora, router=router).decide
    return DeferredRouting(
        make_decision=decide,
        logits=logits,
        gate_weight=rows,
        max_active=router.get_max_active(lora.count),
    )


@pytest.mark.parametrize("form", ["reference", "concatenated", "fused", "sorted_dispatch"])
def test_a_form_can_be_forced(form):
    lora = Lora(ranks=(2, 3), kernel=form)
    layer, host = layer_of(lora)
    x = torch.randn(2, 3, 6)
    rows = torch.randn(2, 6)
    out, _ = layer(host, x, gating_of(lora, TopK(k=1), rows=rows))
    free, _ = layer_of(Lora(ranks=(2, 3)))
    free.load_state_dict(layer.state_dict())
    wanted, _ = free(host, x, gating_of(lora, TopK(k=1), rows=rows))
    torch.testing.assert_close(out, wanted)


def test_dropout_thins_the_experts_input_in_training_only_and_never_the_gate_s():
    lora = Lora(ranks=(2, 3), dropout=0.5)
    layer, host = layer_of(lora)
    x, rows = torch.randn(2, 3, 6), torch.randn(2, 6)
    gating = gating_of(lora, Softmax(), rows=rows)
    in_training, decision = layer.train()(host, x, gating)
    without, undropped = layer.eval()(host, x, gating)
    assert not torch.allclose(in_training, without)
    torch.testing.assert_close(decision.logits, undropped.logits)


def test_it_sits_at_linear_layers_only():
    with pytest.raises(ValueError, match="not at LayerNorm"):
        Lora().build(torch.nn.LayerNorm(4), None)


@pytest.mark.parametrize(
    ("form", "ranks", "needs"),
    [
        ("merged", (2, 2), "one decision for the whole batch"),
        ("per_sample", (2, 2), "a decision a sample"),
    ],
)
def test_a_forced_form_that_does_not_fit_is_refused(form, ranks, needs):
    lora = Lora(ranks=ranks, kernel=form)
    layer, host = layer_of(lora)
    gating = gating_of(lora, TopK(k=1), rows=torch.randn(2, 6))
    with pytest.raises(ValueError, match=needs):
        layer(host, torch.randn(2, 3, 6), gating)


@pytest.mark.parametrize("form", ["merged", "per_sample", "triton"])
def test_a_forced_form_that_fits_equals_auto(form):
    lora = Lora(ranks=(2, 2), kernel=form)
    layer, host = layer_of(lora)
    logits = torch.randn(1 if form == "merged" else 3, 2)
    gating = DeferredRouting(
        make_decision=Mixture(experts=lora, router=TopK(k=1)).decide,
        logits=logits,
        per_sample=form != "merged",
        is_uniform=form == "merged",
        max_active=1,
    )
    x = torch.randn(3, 4, 6)
    out, _ = layer(host, x, gating)
    free, _ = layer_of(Lora(ranks=(2, 2), kernel="reference"))
    free.load_state_dict(layer.state_dict())
    torch.testing.assert_close(out, free(host, x, gating)[0])
