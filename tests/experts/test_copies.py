from collections.abc import Callable
from typing import Any

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call
from transformers import LlamaConfig, ViTConfig
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.vit.modeling_vit import ViTMLP

from coterie.experts.copies import Copies
from coterie.experts.copies_layer import CopiesLayer
from coterie.experts.null import Null
from coterie.experts.weight_change import WeightChange
from coterie.routing.decision import DeferredRouting, RoutingDecision

SIZES = {"hidden_size": 6, "intermediate_size": 10, "num_attention_heads": 2}
KINDS = ("full", "lora")


class Odd(nn.Module):
    """An MLP of no known anatomy."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.inner = nn.LayerNorm(6), nn.Sequential(nn.Linear(6, 5), nn.Tanh())
        self.last = nn.Linear(5, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inner(self.norm(x)))


def gated() -> nn.Module:
    return LlamaMLP(LlamaConfig(**SIZES, mlp_bias=True))


def plain() -> nn.Module:
    return ViTMLP(ViTConfig(**SIZES))


HOSTS: dict[str, Callable[[], nn.Module]] = {"gated": gated, "plain": plain, "odd": Odd}


def fixed(gates: Tensor, **options: Any) -> DeferredRouting:
    return DeferredRouting(
        make_decision=lambda _: RoutingDecision(gates, gates, gates, gates), logits=gates, **options
    )


def shaken(kind: Copies, host: nn.Module, shared: Copies | None = None) -> CopiesLayer:
    """A layer whose experts differ."""
    layer = kind.build(host, shared)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    return layer


def everything(layer: CopiesLayer, host: nn.Module, x: Tensor, gates: Tensor) -> list[Tensor]:
    """Output and the gradients of x, the gates and all parameters."""
    x, gates = x.clone().requires_grad_(), gates.clone().requires_grad_()
    y, _ = layer(host, x, fixed(gates))
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y.detach(), *torch.autograd.grad((y * weights).sum(), [x, gates, *layer.parameters()])]


def close(given: list[Tensor], wanted: list[Tensor], tolerance: float) -> None:
    for one, other in zip(given, wanted, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert (one - other).double().norm() <= tolerance * (other.double().norm() + 1e-3)


@st.composite
def routed(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """x [tokens, 6] and gates: sparse with any number per token, none, all, or one expert's."""
    tokens, experts = draw(st.integers(1, 40)), draw(st.integers(1, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    gates = torch.rand(tokens, experts, generator=generator) + 0.1
    density = draw(st.sampled_from([0.0, 0.3, 1.0, "one expert"]))
    if density == "one expert":
        gates[:, 1:] = 0
    else:
        gates *= torch.rand(tokens, experts, generator=generator) < density
    return torch.randn(tokens, 6, generator=generator), gates


@pytest.mark.parametrize("trained", KINDS)
@pytest.mark.parametrize("name", ["gated", "plain"])
@settings(deadline=None, max_examples=25, derandomize=True)
@given(routed(), st.sampled_from([torch.float32, torch.bfloat16, torch.float64]))
def test_fused_is_the_reference(
    name: str, trained: Any, batch: tuple[Tensor, Tensor], dtype: torch.dtype
) -> None:
    x, gates = batch
    torch.manual_seed(0)
    host = HOSTS[name]().requires_grad_(False).to(dtype)
    count = gates.shape[1]
    layer = shaken(Copies(count=count, trained=trained, rank=2, kernel="fused"), host)
    plainly = Copies(count=count, trained=trained, rank=2, kernel="reference").build(host, None)
    plainly.load_state_dict(layer.state_dict())
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 4e-2, torch.float64: 1e-12}[dtype]
    gates = gates.to(torch.promote_types(dtype, torch.float32))
    given, wanted = (everything(one, host, x.to(dtype), gates) for one in (layer, plainly))
    close(given, wanted, tolerance)


@pytest.mark.parametrize("trained", KINDS)
@pytest.mark.parametrize("form", ["reference", "auto"])
def test_float32_weights_serve_bfloat16_tokens(trained: Any, form: Any) -> None:
    host = gated().to(torch.bfloat16)
    layer = shaken(Copies(count=2, trained=trained, kernel=form), host).float()
    y, *gradients = everything(layer, host, torch.randn(5, 6).bfloat16(), torch.rand(5, 2))
    assert y.dtype == torch.bfloat16
    assert gradients[0].dtype == torch.bfloat16
    assert {one.dtype for one in gradients[1:]} == {torch.float32}
    wanted = everything(layer, host.float(), torch.randn(0, 6), torch.rand(0, 2))
    assert not any(one.any() for one in wanted)


@pytest.mark.parametrize("trained", KINDS)
@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("form", ["reference", "auto"])
def test_gradients_by_differences(name: str, trained: Any, form: Any) -> None:
    host = HOSTS[name]().double().requires_grad_(False)
    layer = shaken(Copies(count=3, trained=trained, rank=2, kernel=form), host)
    x = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    chosen = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]).double()
    gates = (torch.rand(3, 3).double() + 0.5).requires_grad_()

    def run(x: Tensor, gates: Tensor, *_: Tensor) -> Tensor:
        return layer(host, x, fixed(gates * chosen))[0]

    assert torch.autograd.gradcheck(run, (x, gates, *layer.parameters()), fast_mode=True)


@pytest.mark.parametrize("trained", KINDS)
@pytest.mark.parametrize("name", HOSTS)
def test_starts_as_the_host_and_traces(
    name: str, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The shape checks themselves cannot be traced.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    host = HOSTS[name]().requires_grad_(False)
    layer = Copies(count=3, trained=trained).build(host, None)
    x, gates = torch.randn(2, 4, 6), torch.full((8, 3), 1 / 3)
    y, decision = layer(host, x, fixed(gates))
    torch.testing.assert_close(y, host(x))
    assert decision.combine_weights is gates

    gates = gates * (torch.rand(8, 3) < 0.5)
    layer = shaken(Copies(count=3, trained=trained), host)
    wanted = everything(layer, host, x, gates)
    torch.compiler.reset()
    traced: Any = torch.compile(layer, fullgraph=True, backend="aot_eager")
    given, _ = traced(host, x, fixed(gates))
    torch.testing.assert_close(given, wanted[0], rtol=1e-4, atol=1e-5)


def test_two_experts_by_hand() -> None:
    host = nn.Linear(1, 1, bias=False)
    layer = Copies(count=2).build(host, None)
    layer.load_state_dict({"weight": torch.tensor([[[2.0]], [[10.0]]])})
    y, _ = layer(host, torch.tensor([[3.0], [1.0]]), fixed(torch.tensor([[1.0, 0.5], [0.0, 0.2]])))
    # 1 * 2*3 + 0.5 * 10*3 = 21; 0.2 * 10*1 = 2
    assert y.tolist() == [[21.0], [2.0]]


def test_stored_names_and_shapes() -> None:
    layer = Copies(count=2).build(Odd(), Copies(count=1))
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == {
        "norm__weight": (3, 6),
        "norm__bias": (3, 6),
        "inner__0__weight": (3, 5, 6),
        "inner__0__bias": (3, 5),
        "last__weight": (3, 3, 5),
    }
    layer = Copies(count=2, trained="lora", rank=4).build(Odd(), None)
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == {
        "inner__0__down": (2, 4, 6),
        "inner__0__up": (2, 5, 4),
        "last__down": (2, 4, 5),
        "last__up": (2, 3, 4),
    }


def test_one_decision_for_a_sample_or_for_all() -> None:
    host, x = gated(), torch.randn(2, 3, 6)
    layer = shaken(Copies(count=2), host)
    gates = torch.tensor([[1.0, 0.0], [0.2, 0.7]])
    each = layer(host, x, fixed(gates.repeat_interleave(3, 0)))[0]
    torch.testing.assert_close(layer(host, x, fixed(gates, per_sample=True))[0], each)
    torch.testing.assert_close(layer(host, x, fixed(gates[:1], is_uniform=True))[0][0], each[0])


def test_gate_matrix_is_read() -> None:
    host, x = gated(), torch.randn(4, 6)
    gating = DeferredRouting(
        make_decision=lambda s: RoutingDecision(s, s, s.softmax(-1), s),
        gate_weight=torch.zeros(2, 6),
    )
    y, decision = Copies(count=2).build(host, None)(host, x, gating)
    assert decision.combine_weights.tolist() == [[0.5, 0.5]] * 4
    torch.testing.assert_close(y, host(x))


def test_autocast_computes_as_the_host_does() -> None:
    host = gated()
    x, gates = torch.randn(4, 6), torch.ones(4, 1)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = Copies(count=1).build(host, None)(host, x, fixed(gates))
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    torch.testing.assert_close(y.float(), host(x), rtol=3e-2, atol=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count=0"),
        ({"rank": 0}, "rank=0"),
        ({"alpha": 0.0}, "alpha=0.0"),
        ({"trained": "half"}, "trained='half'"),
        ({"kernel": "fast"}, "kernel='fast'"),
    ],
)
def test_refuses_settings(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With shape checks on, the wrong type of a field is reported before its value is.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        Copies(**options)


def test_refuses_what_does_not_fit() -> None:
    host = gated()
    with pytest.raises(ValueError, match="beside"):
        Copies().build(host, Null())
    with pytest.raises(ValueError, match="beside"):
        Copies().build(host, Copies(count=1, trained="lora"))
    with pytest.raises(ValueError, match="structure of Odd"):
        Copies(kernel="fused").build(Odd(), None)
    with pytest.raises(ValueError, match="linear layers"):
        Copies(trained="lora").build(nn.LayerNorm(4), None)
    layer = Copies(count=1).build(host, None)
    with pytest.raises(ValueError, match="1 further arguments"):
        layer(host, torch.ones(2, 6), fixed(torch.ones(2, 1)), 3)


@pytest.mark.parametrize("name", ["gated", "plain"])
@pytest.mark.parametrize("form", ["reference", "auto"])
def test_all_shares_of_the_host_with_equal_weights_are_the_host(name: str, form: Any) -> None:
    torch.manual_seed(0)
    host = HOSTS[name]().requires_grad_(False)
    layer = Copies(count=4, divisor=2, kernel=form).build(host, None)
    first_map = layer.get_parameter("gate_proj__weight" if name == "gated" else "fc1__weight")
    assert first_map.shape == (4, 5, 6)  # four experts with 5 of 10 hidden units, width 6
    x = torch.randn(3, 6)
    # Experts 0 and 1 have the first and second half of the units, 2 and 3 the same again.
    for first, second in [(0, 1), (2, 3), (0, 3)]:
        gates = torch.zeros(3, 4)
        gates[:, [first, second]] = 0.5
        torch.testing.assert_close(layer(host, x, fixed(gates))[0], host(x))
    one, other = (torch.eye(4)[[e]].expand(3, 4) for e in (0, 1))
    assert not torch.allclose(layer(host, x, fixed(one))[0], layer(host, x, fixed(other))[0])


def test_fresh_experts_differ_and_are_drawn_as_linear_layers_are() -> None:
    torch.manual_seed(0)
    layer = Copies(count=2, init="fresh").build(plain().requires_grad_(False), None)
    for name, fan_in in [("fc1", 6), ("fc2", 10)]:
        for part in ("weight", "bias"):
            drawn = layer.get_parameter(f"{name}__{part}")
            assert not torch.equal(drawn[0], drawn[1])
            assert 0.5 * fan_in**-0.5 < drawn.abs().max() <= fan_in**-0.5


def test_shares_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"divisor=3.* does not divide the 10 hidden units"):
        Copies(divisor=3).build(plain(), None)
    with pytest.raises(ValueError, match="which Odd is not: leave them at 1 and 'host'"):
        Copies(divisor=5).build(Odd(), None)
    with pytest.raises(ValueError, match=r"init='new'.: allowed are 'host', 'zero' and 'fresh'"):
        Copies(init="new")
    with pytest.raises(ValueError, match="with 'full' only"):
        Copies(trained="lora", divisor=2)


@pytest.mark.parametrize("form", ["reference", "fused"])
@pytest.mark.parametrize("name", ["gated", "plain"])
def test_shared_experts_of_another_width_are_added(name: str, form: str) -> None:
    host = HOSTS[name]().double()
    kernel: Any = "reference" if form == "reference" else "fused"
    kind, shared = Copies(count=3, divisor=2, kernel=kernel), Copies(count=2, divisor=5)
    layer = shaken(kind, host, shared).double()
    stacks = {name: each for name, each in layer.named_parameters() if "shared__" in name}
    hidden, width = next(m for m in host.modules() if isinstance(m, nn.Linear)).weight.shape
    # Two experts of a fifth of the hidden units.
    assert next(iter(stacks.values())).shape == (2, hidden // 5, width)
    x, gates = torch.randn(5, width).double(), torch.rand(5, 5).double()
    gates[:, 1] = 0
    y, _ = layer(host, x, fixed(gates))
    alone = shaken(kind, host).double()
    own = dict(layer.named_parameters())
    for key, weight in alone.named_parameters():
        weight.data = own[key].data
    wanted, _ = alone(host, x, fixed(gates[:, :3]))
    for number in range(2):
        plain = {
            key.removeprefix("shared__").replace("__", "."): stack[number]
            for key, stack in stacks.items()
        }
        wanted = wanted + gates[:, 3 + number, None] * functional_call(host, plain, (x,))
    torch.testing.assert_close(y, wanted)
    assert kind.find_shared_rows(layer, shared) == {key: slice(0, None) for key in stacks}
    # Of the three routed experts alone.
    per_expert = sum(each[0].numel() for key, each in own.items() if key not in stacks)
    assert kind.count_parameters(layer, shared) == [per_expert] * 3
    problem = kind.find_copy_problem(shared)
    assert problem is not None and "no copies" in problem


def test_shared_experts_of_the_same_size_are_stacked_with_the_others() -> None:
    kind, shared = Copies(count=3, trained="lora", rank=2), Copies(count=2, trained="lora", rank=2)
    layer = kind.build(gated(), shared)
    assert {len(each) for each in layer.parameters()} == {5}
    rows = kind.find_shared_rows(layer, shared)
    assert all(each == slice(3, None) for each in rows.values()) and len(rows) == 6
    assert kind.find_copy_problem(shared) is None
    with pytest.raises(ValueError, match="beside copies with trained='full' others of these"):
        kind.build(gated(), Copies(count=1))


def test_an_expert_that_starts_at_zero_adds_nothing() -> None:
    host = gated()
    layer = Copies(count=2, divisor=2, init="zero").build(host, None)
    y, _ = layer(host, torch.randn(3, SIZES["hidden_size"]), fixed(torch.ones(3, 2)))
    assert not y.any()
    assert layer.get_parameter("gate_proj__weight").any()


class Scalar(nn.Module):
    """3 relu(2 x), of one unit."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.activation = nn.ReLU()
        nn.init.constant_(self.fc1.weight, 2.0)
        nn.init.constant_(self.fc2.weight, 3.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


def change(value: float, rank: int = 1) -> WeightChange:
    """A change of one weight by `value`, as a sum of `rank` equal products."""
    return WeightChange(down=torch.ones(rank, 1), up=torch.full((1, rank), value / rank))


@pytest.mark.parametrize("options", [{"trained": "full"}, {"trained": "lora", "start_rank": 2}])
@pytest.mark.parametrize("form", ["reference", "auto"])
def test_experts_start_from_trained_models(options: dict[str, Any], form: Any) -> None:
    host = Scalar().requires_grad_(False)
    kind = Copies(count=3, rank=1, kernel=form, **options)
    layer = kind.build(host, None)
    # Expert 1: (3 - 1) relu((2 + 1) x); expert 2: 3 relu((2 + 2) x); expert 0 stays the host's.
    kind.start_expert(layer, 1, {"fc1": change(1.0), "fc2": change(-1.0)})
    kind.start_expert(layer, 2, {"fc1": change(2.0, rank=2)})
    x, alone = torch.tensor([[1.0], [1.0], [1.0], [-1.0]]), torch.eye(3)[[0, 1, 2, 1]]
    y, _ = layer(host, x, fixed(alone))
    assert y.tolist() == [[6.0], [6.0], [12.0], [0.0]]
    # Weights of a half each: (6 + 12) / 2.
    y, _ = layer(host, x[:1], fixed(torch.tensor([[0.0, 0.5, 0.5]])))
    assert y.tolist() == [[9.0]]
    found = kind.get_changes(layer, host)
    assert not any(each.compute_matrix().any() for each in found.values())  # expert 0 changes none


def test_the_start_is_frozen_saved_and_traced() -> None:
    host = gated().requires_grad_(False)
    kind = Copies(count=2, trained="lora", rank=2, start_rank=3)
    layer = shaken(kind, host)
    with torch.no_grad():
        for name, buffer in layer.named_buffers():
            buffer.copy_(torch.randn_like(buffer))
            assert "start" in name and len(buffer) == 2
    assert not any("start" in name for name, _ in layer.named_parameters())
    again = kind.build(host, None)
    again.load_state_dict(layer.state_dict())
    x, gates = torch.randn(5, 6), torch.rand(5, 2)
    y, _ = layer(host, x, fixed(gates))
    torch.testing.assert_close(again(host, x, fixed(gates))[0], y)
    plainly = Copies(count=2, trained="lora", rank=2, start_rank=3, kernel="reference")
    slow = plainly.build(host, None)
    slow.load_state_dict(layer.state_dict())
    torch.testing.assert_close(slow(host, x, fixed(gates))[0], y, rtol=1e-4, atol=1e-3)


def test_what_a_trained_copy_changed_starts_an_expert() -> None:
    host = gated().requires_grad_(False)
    for source in (Copies(count=1), Copies(count=1, trained="lora", rank=2)):
        trained = shaken(source, host)
        found = source.get_changes(trained, host)
        for target in (Copies(count=2), Copies(count=2, trained="lora", start_rank=6)):
            layer = target.build(host, None)
            x = torch.randn(4, 6)
            if source.trained == "full" and target.trained == "lora":
                with pytest.raises(ValueError, match="has a trained bias"):
                    target.start_expert(layer, 1, found)
                continue
            target.start_expert(layer, 1, found)
            y, _ = layer(host, x, fixed(torch.tensor([[0.0, 1.0]]).expand(4, 2)))
            wanted, _ = trained(host, x, fixed(torch.ones(4, 1)))
            torch.testing.assert_close(y, wanted, rtol=1e-4, atol=1e-3)


def test_wrong_starts() -> None:
    host = gated()
    with pytest.raises(ValueError, match=r"start_rank=4, trained='full'\): allowed is 0"):
        Copies(start_rank=4)
    kind = Copies(count=2, trained="lora", start_rank=1)
    change = {"up_proj": WeightChange(down=torch.ones(2, 6), up=torch.ones(10, 2))}
    with pytest.raises(ValueError, match=r"up_proj was changed by rank 2, and start_rank .* is 1"):
        kind.start_expert(kind.build(host, None), 0, change)
    narrow = Copies(divisor=2)
    with pytest.raises(ValueError, match="cannot start from trained models"):
        narrow.start_expert(narrow.build(host, None), 0, {})
    with pytest.raises(ValueError, match="are no change of the base layer"):
        narrow.get_changes(narrow.build(host, None), host)
