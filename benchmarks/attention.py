"""Benchmark of attention experts against dense attention with as many heads as are chosen."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import SiglipAttention

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
from coterie.experts.attention import AttentionHeads
from coterie.mixture import Mixture
from coterie.routing.routers.top_k import TopK

DENSE, COTERIE = "dense", "coterie"
HEAD = 64


@dataclass(frozen=True, kw_only=True)
class Case:
    dtype: str
    rows: int
    tokens: int
    width: int
    experts: int
    chosen: int

    @property
    def name(self) -> str:
        size = f"{self.rows}x{self.tokens} d={self.width}"
        return f"{self.dtype} {size} E={self.experts} top-{self.chosen}"


def _cases(*shapes: tuple[int, int, int, int, int]) -> tuple[Case, ...]:
    names = ("rows", "tokens", "width", "experts", "chosen")
    return tuple(
        Case(dtype=dtype, **dict(zip(names, shape, strict=True)))
        for dtype in DTYPES
        for shape in shapes
    )


VIT_S, VIT_B = (8, 197, 384, 15, 6), (8, 197, 768, 24, 12)
CASES: dict[Scale, tuple[Case, ...]] = {
    "tiny": _cases((2, 8, 128, 4, 2)),
    "quick": _cases(VIT_S),
    "full": _cases(VIT_S, VIT_B, (2, 1024, 1024, 32, 8)),
    "gpu": _cases((64, *VIT_S[1:]), (64, *VIT_B[1:]), (16, 1024, 1024, 32, 8)),
}


class Attention(Benchmark):
    """`AttentionHeads` in place of the attention, with a token gate and one key-value head."""

    name = "attention"

    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        for case in fitting(CASES, scale, device):
            yield from compare(
                case.name,
                case.dtype,
                candidates(case, device),
                bases=(DENSE,),
                device=device,
                rounds=ROUNDS[scale],
            )

    def targets(self, rows: Iterable[Row]) -> list[Target]:
        rows = list(rows)
        mine = [row for row in rows if row.form == COTERIE]
        dense = {row.case: row.saved_mib for row in rows if row.form == DENSE}
        saved = max((row.saved_mib / dense[row.case] for row in mine), default=None)
        what = "of dense attention with as many heads (worst)"
        return [
            Target(what=f"time {what}", limit=1.4, measured=worst(mine, DENSE)),
            Target(what=f"saved bytes {what}", limit=1.05, measured=saved),
        ]


def candidates(case: Case, device: torch.device) -> dict[str, Candidate]:
    dtype = DTYPES[case.dtype]
    config = SiglipVisionConfig(
        hidden_size=case.width, num_attention_heads=case.width // HEAD, attn_implementation="sdpa"
    )
    experts = AttentionHeads(count=case.experts, replace=True)
    mixture = Mixture(experts=experts, router=TopK(k=case.chosen))
    host = SiglipAttention(config).to(device, dtype)
    layers: dict[str, nn.Module] = {
        DENSE: DenseHeads(case.width, case.chosen).to(device, dtype),
        "Mod-Squad's code": ModSquad(case).to(device, dtype),
        COTERIE: grafted(host, case.width, mixture, autocast=False),
    }
    x = torch.randn(case.rows, case.tokens, case.width, device=device, dtype=dtype)
    x.requires_grad_()
    upstream = torch.randn_like(x)
    return {
        name: layer_candidate(shaken(layer), x, upstream, syncs=name != DENSE)
        for name, layer in layers.items()
    }


class DenseHeads(nn.Module):
    """Multi-query attention with the heads as further queries, the fastest form here."""

    def __init__(self, width: int, heads: int, head: int = HEAD) -> None:
        super().__init__()
        self.heads, self.head = heads, head
        self.query = nn.Linear(width, heads * head, bias=False)
        self.key, self.value = nn.Linear(width, head), nn.Linear(width, head)
        self.output = nn.Linear(heads * head, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        queries = self.query(x).unflatten(-1, (self.heads, self.head)).flatten(1, 2)[:, None]
        key, value = self.key(x)[:, None], self.value(x)[:, None]
        seen = F.scaled_dot_product_attention(queries, key, value)
        return self.output(seen.view(*x.shape[:2], -1))


class ModSquad(nn.Module):
    """The published form (github.com/UMass-Foundation-Model/Mod-Squad, after MoA's).

    Gathers a copy of the input for every slot, loops over experts, scatters, attends eagerly over
    expanded keys and values, and gathers again for the output.
    """

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.chosen = case.chosen
        self.router = nn.Linear(case.width, case.experts, bias=False)
        self.query = nn.Parameter(torch.empty(case.experts, case.width, HEAD))
        self.key, self.value = nn.Linear(case.width, HEAD), nn.Linear(case.width, HEAD)
        self.output = nn.Parameter(torch.empty(case.experts, HEAD, case.width))

    def forward(self, x: Tensor) -> Tensor:
        rows, tokens, width = x.shape
        flat = x.flatten(0, 1)
        gates, experts = self.router(flat).float().softmax(-1).topk(self.chosen, -1)
        slots = experts.flatten().argsort(stable=True)
        counts = experts.flatten().bincount(minlength=len(self.query)).tolist()
        token = slots // self.chosen
        sorted_queries = _each(flat[token], self.query, counts)
        queries = torch.zeros_like(sorted_queries).index_add(0, slots, sorted_queries)
        queries = queries.view(rows, tokens, self.chosen, HEAD).transpose(1, 2)
        key, value = (
            part(x)[:, None].expand(-1, self.chosen, -1, -1) for part in (self.key, self.value)
        )
        probs = (queries @ key.transpose(2, 3) * HEAD**-0.5).softmax(-1)
        seen = (probs @ value).transpose(1, 2).reshape(-1, HEAD)
        parts = _each(seen[slots], self.output, counts)
        parts = parts * gates.flatten()[slots, None].to(x.dtype)
        y = torch.zeros(rows * tokens, width, dtype=x.dtype, device=x.device)
        return y.index_add(0, token, parts).view_as(x)


def _each(x: Tensor, weights: Tensor, counts: list[int]) -> Tensor:
    return torch.cat([part @ weights[e] for e, part in enumerate(x.split(counts))])
