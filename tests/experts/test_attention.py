from typing import Any

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    Dinov2Config,
    Idefics3VisionConfig,
    LlamaConfig,
    SiglipVisionConfig,
    ViTConfig,
)
from transformers.models.clip.modeling_clip import CLIPAttention
from transformers.models.dinov2.modeling_dinov2 import Dinov2Attention
from transformers.models.idefics3.modeling_idefics3 import Idefics3VisionAttention
from transformers.models.llama.modeling_llama import LlamaAttention
from transformers.models.siglip.modeling_siglip import SiglipAttention
from transformers.models.vit.modeling_vit import ViTAttention

from coterie.experts.attention import AttentionHeads, AttentionHeadsLayer
from coterie.routing.decision import DeferredRouting, RoutingDecision

SIZES: dict[str, Any] = {"hidden_size": 8, "num_attention_heads": 2}
HOSTS = {
    "vit": lambda: ViTAttention(ViTConfig(**SIZES, attn_implementation="sdpa")),
    "dinov2": lambda: Dinov2Attention(Dinov2Config(**SIZES, attn_implementation="sdpa")),
    "clip": lambda: CLIPAttention(CLIPVisionConfig(**SIZES, attn_implementation="sdpa")),
    "siglip": lambda: SiglipAttention(SiglipVisionConfig(**SIZES, attn_implementation="sdpa")),
    "idefics3": lambda: Idefics3VisionAttention(
        Idefics3VisionConfig(**SIZES, attn_implementation="sdpa")
    ),
}


def fixed(gates: Tensor, **options: Any) -> DeferredRouting:
    return DeferredRouting(
        make_decision=lambda _: RoutingDecision(gates, gates, gates, gates), logits=gates, **options
    )


def shaken(kind: AttentionHeads, host: nn.Module) -> AttentionHeadsLayer:
    layer = kind.build(host, None)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return layer


@pytest.mark.parametrize("name", HOSTS)
def test_starts_as_the_host(name: str) -> None:
    host, x = HOSTS[name]().eval(), torch.randn(2, 5, 8)
    layer = AttentionHeads(count=3).build(host, None)
    (y, weights), _ = layer(host, x, fixed(torch.rand(10, 3)))
    wanted, _ = host(x)
    assert torch.equal(y, wanted) and weights is None


@pytest.mark.parametrize("name", HOSTS)
def test_replaces_a_host_whose_heads_share_key_and_value(name: str) -> None:
    host, x = HOSTS[name]().eval(), torch.randn(2, 5, 8)
    mask = torch.rand(2, 1, 5, 5) < 0.7
    mask[..., 0] = True
    with torch.no_grad():
        for linear in (host.k_proj, host.v_proj):
            linear.weight[4:] = linear.weight[:4]
            linear.bias[4:] = linear.bias[:4]
        host.q_proj.bias.zero_()
        output = host.get_submodule("o_proj" if name in ("vit", "dinov2") else "out_proj")
        output.bias.zero_()
    # Two experts of one head, both with weight 1, are then the host's two heads.
    layer = AttentionHeads(count=2, replace=True).build(host, None)
    for attention_mask in (None, mask):
        (y, weights), _ = layer(host, x, fixed(torch.ones(10, 2)), attention_mask=attention_mask)
        assert weights is None
        torch.testing.assert_close(y, host(x, attention_mask)[0], rtol=1e-4, atol=1e-6)


def test_maps_start_from_the_heads_in_turn() -> None:
    host = HOSTS["vit"]()
    layer = AttentionHeads(count=2, heads=2, replace=True).build(
        host, AttentionHeads(count=1, heads=2)
    )
    assert layer.query.shape == (3, 2, 4, 8) and layer.output.shape == (3, 8, 2, 4)
    for expert in range(3):
        assert torch.equal(layer.query[expert].flatten(0, 1), host.q_proj.weight)
        assert torch.equal(layer.output[expert].flatten(1), host.o_proj.weight)
    torch.testing.assert_close(layer.key, (host.k_proj.weight[:4] + host.k_proj.weight[4:]) / 2)
    assert {name for name, _ in layer.named_parameters()} == {
        *("query", "output", "key", "value", "key_bias", "value_bias")
    }
    three = AttentionHeads(count=3).build(host, None)
    assert torch.equal(three.query[2], three.query[0])
    assert not three.output.any()


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    tokens=st.integers(1, 20),
    count=st.integers(1, 6),
    heads=st.integers(1, 2),
    density=st.sampled_from([0.0, 0.4, 1.0]),
    replaces=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float64]),
)
def test_forms_agree(
    tokens: int, count: int, heads: int, density: float, replaces: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(tokens)
    host = HOSTS["siglip"]().eval().requires_grad_(False).to(dtype)
    gates = (torch.rand(2 * tokens, count) + 0.1) * (torch.rand(2 * tokens, count) < density)
    gates, x = gates.requires_grad_(), torch.randn(2, tokens, 8).to(dtype).requires_grad_()
    weights = torch.randn(2, tokens, 8).to(dtype)
    layers = [
        AttentionHeads(count=count, heads=heads, replace=replaces, kernel=form).build(host, None)
        for form in ("reference", "fused")
    ]
    with torch.no_grad():
        for one, other in zip(*(layer.parameters() for layer in layers), strict=True):
            one.copy_(torch.randn_like(one))
            other.copy_(one)

    def answers(layer: AttentionHeadsLayer) -> list[Tensor]:
        (y, _), _ = layer(host, x, fixed(gates))
        return [y, *torch.autograd.grad((y * weights).sum(), [x, gates, *layer.parameters()])]

    tolerance = {torch.float32: 1e-5, torch.bfloat16: 6e-2, torch.float64: 1e-12}[dtype]
    given, wanted = map(answers, layers)
    size = max(one.double().norm() for one in wanted)
    for one, other in zip(given, wanted, strict=True):
        assert one.dtype == other.dtype
        error = (one - other).double().norm()
        # A bias of the keys moves all scores alike: its gradient is 0 but for rounding.
        assert error <= tolerance * (other.double().norm() + size)


def test_one_decision_for_a_row_or_for_all() -> None:
    host, x = HOSTS["vit"](), torch.randn(2, 3, 8)
    layer = shaken(AttentionHeads(count=2, replace=True), host)
    gates = torch.tensor([[1.0, 0.0], [0.2, 0.7]])
    (each, _), _ = layer(host, x, fixed(gates.repeat_interleave(3, 0)))
    (once, _), decision = layer(host, x, fixed(gates, per_sample=True))
    (same, _), _ = layer(host, x, fixed(gates[:1], is_uniform=True))
    torch.testing.assert_close(once, each)
    torch.testing.assert_close(same[0], each[0])
    assert decision.combine_weights is gates


def test_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    # The shape checks themselves cannot be traced.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    host, x = HOSTS["siglip"]().eval(), torch.randn(2, 4, 8)
    layer = shaken(AttentionHeads(count=3), host)
    gates = torch.rand(8, 3) * (torch.rand(8, 3) < 0.5)
    wanted, _ = layer(host, x, fixed(gates))
    torch.compiler.reset()
    traced: Any = torch.compile(layer, fullgraph=True, backend="aot_eager")
    given, _ = traced(host, x, fixed(gates))
    torch.testing.assert_close(given[0], wanted[0])


def test_float32_weights_serve_bfloat16_tokens() -> None:
    host = HOSTS["vit"]().to(torch.bfloat16)
    layer = shaken(AttentionHeads(count=2), host).float()
    (y, _), _ = layer(host, torch.randn(1, 3, 8).bfloat16(), fixed(torch.rand(3, 2)))
    y.sum().backward()
    assert y.dtype == torch.bfloat16
    assert {p.grad.dtype for p in layer.parameters() if p.grad is not None} == {torch.float32}


def test_autocast_computes_as_the_host_does() -> None:
    host = HOSTS["vit"]().eval()
    with torch.autocast("cpu", torch.bfloat16):
        layer = shaken(AttentionHeads(count=2, replace=True), host)
        (y, _), _ = layer(host, torch.randn(1, 3, 8), fixed(torch.ones(3, 2)))
    y.float().sum().backward()
    assert y.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "message"),
    [({"count": 0}, "count=0"), ({"heads": 0}, "heads=0"), ({"kernel": "fast"}, "kernel='fast'")],
)
def test_refuses_settings(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With shape checks on, the wrong type of a field is reported before its value is.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        AttentionHeads(**options)


def test_refuses_hosts() -> None:
    llama = LlamaAttention(LlamaConfig(**SIZES), 0)
    for host in (llama, nn.Linear(2, 2), nn.MultiheadAttention(4, 2)):
        with pytest.raises(ValueError, match=f"{type(host).__name__}.*use Lora"):
            AttentionHeads().build(host, None)


def test_refuses_calls() -> None:
    host = HOSTS["clip"]()
    for shared in (AttentionHeads(count=2), AttentionHeads(count=1, heads=2)):
        with pytest.raises(ValueError, match="beside"):
            AttentionHeads().build(host, shared)
    layer, x = AttentionHeads(count=1).build(host, None), torch.ones(1, 2, 8)
    gating = fixed(torch.ones(2, 1))
    with pytest.raises(ValueError, match="is_causal=True"):
        layer(host, x, gating, is_causal=True)
    with pytest.raises(ValueError, match=r"\(2, 8\)"):
        layer(host, x[0], gating)
    for mask in (torch.ones(1, 2, 2, 2), torch.ones(3, 1, 2, 2), "causal"):
        with pytest.raises(ValueError, match="attention_mask"):
            layer(host, x, gating, attention_mask=mask)
