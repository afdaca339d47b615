"""Every kernel on the device, in float32 and bfloat16, against its reference in float64."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from coterie.experts.lora import KERNELS, Lora
from coterie.kernels.attention import (
    AttentionCall,
    attend_dense,
    attend_grouped,
    attend_reference,
    attend_slots,
)
from coterie.kernels.lora_reference import LoraCall, RankLayout, apply_reference
from coterie.kernels.mlp import StackedLinear, apply_mlp, apply_mlp_dense
from coterie.kernels.mlp_grouped import apply_mlp_grouped
from coterie.mixture import Mixture
from coterie.routing.decision import DeferredRouting
from coterie.routing.routers.softmax import Softmax
from coterie.routing.routers.top_k import TopK

pytestmark = pytest.mark.accelerator
DTYPES = (torch.float32, torch.bfloat16)
# bfloat16 has 8 bits: a part in 256, over a few products.
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
UNITS, PER_UNIT, WIDTH, OUT = 6, 32, 64, 48


def compare(given: Sequence[Tensor], wanted: Sequence[Tensor], dtype: torch.dtype) -> None:
    for place, (one, other) in enumerate(zip(given, wanted, strict=True)):
        error = (one.cpu().double() - other).norm() / (other.norm() + 1e-9)
        assert error <= TOLERANCE[dtype], (place, float(error))


def on(device: torch.device, **values: Tensor) -> dict[str, Tensor]:
    return {name: each.detach().to(device).requires_grad_() for name, each in values.items()}


def precise(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same numbers in float64 on the CPU."""
    return {name: each.detach().cpu().double().requires_grad_() for name, each in values.items()}


def run_lora(
    kernel: Callable[..., Any], leaves: dict[str, Tensor], ranks: tuple[int, ...], shape: str
) -> list[Tensor]:
    router = Softmax() if shape == "rows" else TopK(k=2)
    mixture = Mixture(experts=Lora(ranks=ranks), router=router)
    call = LoraCall(
        x=leaves["x"], down=leaves["down"], up=leaves["up"], weight=leaves["weight"].detach(),
        layout=RankLayout(ranks, (0.5,) * len(ranks)),
        tokens_per_unit=PER_UNIT if shape == "sample" else 1,
    )  # fmt: skip
    deferred = DeferredRouting(
        make_decision=mixture.decide, kernel_router=mixture.kernel_router,
        logits=leaves.get("logits"), gate_weight=leaves.get("rows"),
        per_sample=shape == "sample", is_uniform=shape == "all",
        max_active=router.get_max_active(len(ranks)),
    )  # fmt: skip
    out, _ = kernel(call, deferred)
    upstream = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view_as(out)
    trained = [each for name, each in leaves.items() if name != "weight"]
    return [out, *torch.autograd.grad(out, trained, upstream.to(out))]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, shape) for name in ("concatenated", "fused", "triton", "sorted_dispatch")
          for shape in ("rows", "top-2 rows", "token", "sample")),
        ("per_sample", "sample"),
        ("merged", "all"),
    ],
)  # fmt: skip
def test_lora(name: str, shape: str, dtype: torch.dtype, device: torch.device) -> None:
    ranks = (8,) * 4 if name == "per_sample" else (4, 8, 16, 5)
    tokens, rank = UNITS * PER_UNIT, sum(ranks)
    adapters = {"down": torch.randn(rank, WIDTH), "up": torch.randn(rank, OUT)}
    frozen = {
        "x": torch.randn(tokens, WIDTH).to(dtype),
        "weight": torch.randn(OUT, WIDTH).to(dtype),
    }
    gate = {"rows": torch.randn(len(ranks), WIDTH) / 8}
    if shape == "top-2 rows" and dtype != torch.float32:
        pytest.skip("in few bits, tokens with nearly equal logits choose other experts")
    if "rows" not in shape:
        gate = {"logits": torch.randn({"token": tokens, "sample": UNITS, "all": 1}[shape], 4)}
    leaves = on(device, **frozen, **adapters, **gate)
    given = run_lora(KERNELS[name], leaves, ranks, shape)
    assert given[0].dtype == dtype and given[0].device == device
    compare(given, run_lora(apply_reference, precise(leaves), ranks, shape), dtype)


def chosen(tokens: int, experts: int) -> Tensor:
    """Gates of two experts a token."""
    gates = torch.rand(tokens, experts) + 0.1
    return gates * (gates >= gates.topk(2).values[:, -1:])


def run_mlp(form: Callable[..., Tensor], leaves: dict[str, Tensor]) -> list[Tensor]:
    maps = [StackedLinear(leaves[f"w{i}"], leaves[f"b{i}"]) for i in range(3)]
    gates = leaves["gates"]
    if form is apply_mlp_dense:  # as its callers do: gates of 0 get no gradient
        gates = torch.where(gates != 0, gates, 0.0)
    y = form(leaves["x"], gates, maps, nn.functional.silu)
    upstream = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).view_as(y)
    return [y, *torch.autograd.grad(y, list(leaves.values()), upstream.to(y))]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("form", [apply_mlp, apply_mlp_grouped, apply_mlp_dense])
def test_mlp(form: Callable[..., Tensor], dtype: torch.dtype, device: torch.device) -> None:
    sizes = [(96, 64), (96, 64), (64, 96)]
    weights = {f"w{i}": torch.randn(5, *size) / 8 for i, size in enumerate(sizes)}
    biases = {f"b{i}": torch.randn(5, size[0]) for i, size in enumerate(sizes)}
    x = torch.randn(160, 64).to(dtype)
    leaves = on(device, x=x, gates=chosen(160, 5), **weights, **biases)
    given = run_mlp(form, leaves)
    compare(given, run_mlp(apply_mlp, precise(leaves)), dtype)


def run_attention(form: Callable[..., Tensor], leaves: dict[str, Tensor]) -> list[Tensor]:
    y = form(AttentionCall(**leaves, mask=None))
    upstream = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).view_as(y)
    return [y, *torch.autograd.grad(y, list(leaves.values()), upstream.to(y))]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("form", [attend_slots, attend_grouped, attend_dense])
def test_attention(form: Callable[..., Tensor], dtype: torch.dtype, device: torch.device) -> None:
    rows, tokens, width, heads, head = 3, 40, 64, 1, 32
    leaves = on(
        device,
        x=torch.randn(rows, tokens, width).to(dtype),
        gates=chosen(rows * tokens, 5).view(rows, tokens, 5),
        query=torch.randn(5, heads, head, width) / 8,
        output=torch.randn(5, width, heads, head) / 8,
        key=torch.randn(rows, tokens, head).to(dtype),
        value=torch.randn(rows, tokens, head).to(dtype),
    )
    given = run_attention(form, leaves)
    compare(given, run_attention(attend_reference, precise(leaves)), dtype)


def test_a_quantised_host_has_no_weight(device: torch.device) -> None:
    """Its output is given, and the experts are added to it."""
    ranks = (4, 4)
    leaves = on(device, x=torch.randn(8, WIDTH), down=torch.randn(8, WIDTH), up=torch.randn(8, OUT))
    call = LoraCall(
        x=leaves["x"], down=leaves["down"], up=leaves["up"], layout=RankLayout(ranks, (1.0, 1.0)),
        base_output=torch.randn(8, OUT, device=device),
    )  # fmt: skip
    decide = Mixture(experts=Lora(ranks=ranks), router=Softmax()).decide
    deferred = DeferredRouting(make_decision=decide, logits=torch.randn(8, 2, device=device))
    wanted, _ = apply_reference(call, deferred)
    for name in ("fused", "triton", "sorted_dispatch"):
        given, _ = KERNELS[name](replace(call), deferred)
        torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-4)
