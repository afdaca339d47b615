"""Benchmark of MLP experts against a dense MLP of the same active size."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LlamaConfig, SiglipVisionConfig
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.siglip.modeling_siglip import SiglipMLP

from benchmarks.benchmark import (
    DTYPES,
    ROUNDS,
    Benchmark,
    Row,
    Scale,
    Target,
    compare,
    fitting,
    layer_candidate,
    shaken,
    worst,
)
from benchmarks.grafted import grafted
from benchmarks.timing import Candidate
from coterie.experts.copies import Copies
from coterie.mixture import Mixture
from coterie.routing.routers.top_k import TopK

DENSE, COTERIE = "dense", "coterie"
CHOSEN = 2


@dataclass(frozen=True, kw_only=True)
class Shape:
    """An MLP from `width` to `hidden` and back; gated as Llama's or plain as SigLIP's."""

    name: str
    width: int
    hidden: int
    gated: bool

    def mlp(self, times: int) -> nn.Module:
        """Return the model's module with `times` its hidden features."""
        sizes = {"hidden_size": self.width, "intermediate_size": self.hidden * times}
        if self.gated:
            return LlamaMLP(LlamaConfig(**sizes))
        return SiglipMLP(SiglipVisionConfig(**sizes, hidden_act="gelu"))


@dataclass(frozen=True, kw_only=True)
class Case:
    dtype: str
    shape: Shape
    tokens: int
    experts: int

    @property
    def name(self) -> str:
        return f"{self.dtype} {self.shape.name} T={self.tokens} E={self.experts} top-{CHOSEN}"


TINY = Shape(name="tiny", width=32, hidden=64, gated=True)
VIT_S = Shape(name="ViT-S", width=384, hidden=1536, gated=False)
VIT_B = Shape(name="ViT-B", width=768, hidden=3072, gated=False)
SMOLLM2 = Shape(name="SmolLM2", width=576, hidden=1536, gated=True)
LLAMA = Shape(name="Llama-1B", width=2048, hidden=8192, gated=True)


def _cases(*shapes: tuple[Shape, int, int]) -> tuple[Case, ...]:
    return tuple(
        Case(dtype=dtype, shape=shape, tokens=tokens, experts=experts)
        for dtype in DTYPES
        for shape, tokens, experts in shapes
    )


CASES: dict[Scale, tuple[Case, ...]] = {
    "tiny": _cases((TINY, 32, 4)),
    "quick": _cases((VIT_S, 2048, 8), (SMOLLM2, 2048, 8)),
    "full": _cases(
        (VIT_S, 2048, 8),
        (SMOLLM2, 2048, 8),
        (VIT_B, 2048, 8),
        (SMOLLM2, 2048, 16),
        (SMOLLM2, 8192, 8),
    ),
    "gpu": _cases((VIT_B, 8192, 8), (SMOLLM2, 8192, 8), (SMOLLM2, 8192, 16), (LLAMA, 8192, 8)),
}


class Ffn(Benchmark):
    """`Copies` with a token gate, two experts per token, all weights trained."""

    name = "ffn"

    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        for case in fitting(CASES, scale, device):
            yield from compare(
                case.name,
                case.dtype,
                candidates(case, device),
                bases=(DENSE,),
                device=device,
                rounds=ROUNDS[scale],
                facts={"experts": case.experts},
            )

    def targets(self, rows: Iterable[Row]) -> list[Target]:
        mine = [row for row in rows if row.form == COTERIE]
        few = [row for row in mine if row.facts["experts"] <= 8]
        many = [row for row in mine if row.facts["experts"] == 16]
        what = "time of the dense MLP of equal active size (worst, T >= 2048, {})"
        return [
            Target(what=what.format("E <= 8"), limit=1.12, measured=worst(few, DENSE)),
            Target(what=what.format("E = 16"), limit=1.3, measured=worst(many, DENSE)),
        ]


def candidates(case: Case, device: torch.device) -> dict[str, Candidate]:
    shape, dtype = case.shape, DTYPES[case.dtype]
    host = shape.mlp(1).to(device, dtype)
    mixture = Mixture(experts=Copies(count=case.experts), router=TopK(k=CHOSEN))
    layers: dict[str, nn.Module] = {
        DENSE: shape.mlp(CHOSEN).to(device, dtype),
        "loop over experts": LoopMlp(shape, case.experts).to(device, dtype),
        "grouped_mm": GroupedMlp(shape, case.experts).to(device, dtype),
        COTERIE: grafted(host, shape.width, mixture, autocast=False),
    }
    if dtype != torch.float32:
        layers["coterie, float32 weights"] = grafted(host, shape.width, mixture)
    x = torch.randn(4, case.tokens // 4, shape.width, device=device, dtype=dtype)
    x.requires_grad_()
    upstream = torch.randn_like(x)
    static = {DENSE} | ({"grouped_mm"} if dtype == torch.bfloat16 else set())
    return {
        name: layer_candidate(shaken(layer), x, upstream, syncs=name not in static)
        for name, layer in layers.items()
    }


class PeerMlp(nn.Module, ABC):
    """Stacked experts as in transformers' sparse models, with a token gate like coterie's."""

    def __init__(self, shape: Shape, experts: int) -> None:
        super().__init__()
        maps = 2 if shape.gated else 1
        self.gated = shape.gated
        self.router = nn.Linear(shape.width, experts, bias=False)
        self.into = nn.Parameter(torch.empty(experts, maps * shape.hidden, shape.width))
        self.back = nn.Parameter(torch.empty(experts, shape.width, shape.hidden))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(0, -2)
        probs = self.router(flat).float().softmax(-1)
        gates, chosen = probs.topk(CHOSEN, -1)
        return self.mix(flat, gates.to(x.dtype), chosen).view_as(x)

    @abstractmethod
    def mix(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        """Return the experts' weighted sum of `x` [tokens, width]; others are [tokens, chosen]."""

    def hidden(self, before: Tensor) -> Tensor:
        if not self.gated:
            return F.gelu(before)
        activated, linear = before.chunk(2, -1)
        return F.silu(activated) * linear


class LoopMlp(PeerMlp):
    """transformers' eager form: one expert after another."""

    def mix(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        for expert in range(len(self.into)):
            token, place = torch.where(chosen == expert)
            hidden = self.hidden(F.linear(x[token], self.into[expert]))
            part = F.linear(hidden, self.back[expert]) * gates[token, place, None]
            y = y.index_add(0, token, part)
        return y


class GroupedMlp(PeerMlp):
    """Slots sorted by expert and multiplied by `F.grouped_mm`, gated before the second product."""

    def mix(self, x: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        slots = chosen.flatten().argsort(stable=True)
        every = torch.arange(len(self.into), device=x.device)
        ends = (chosen.flatten()[:, None] == every).sum(0).cumsum(0).int()
        token = slots // CHOSEN
        before = F.grouped_mm(x.index_select(0, token), self.into.transpose(1, 2), offs=ends)
        hidden = self.hidden(before) * gates.flatten().index_select(0, slots)[:, None]
        parts = F.grouped_mm(hidden, self.back.transpose(1, 2), offs=ends)
        return torch.zeros_like(x).index_add(0, token, parts)
