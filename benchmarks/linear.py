"""Benchmark of LoRA mixtures on one linear layer against LoRA of the same total rank."""

import statistics
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

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
)
from benchmarks.grafted import OfOneTask, grafted
from benchmarks.published import LoopLora
from benchmarks.timing import Candidate
from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.routing.gates.task import TaskGate
from coterie.routing.routers.softmax import Softmax
from coterie.routing.routers.top_k import TopK

FROZEN, PEFT, COTERIE = "frozen layer", "PEFT LoRA", "coterie"
TASKS = 4
LAUNCHED = ", launched"
"""Ends the case of candidates that run as a GPU's users run them, without a CUDA graph."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """`tokens` of `width` input and output features; one expert per rank."""

    dtype: str
    tokens: int
    width: int
    ranks: tuple[int, ...]

    @property
    def name(self) -> str:
        unequal = "*" if len(set(self.ranks)) > 1 else ""
        shape = f"T={self.tokens} d={self.width} E={len(self.ranks)} R={sum(self.ranks)}{unequal}"
        return f"{self.dtype} {shape}"


def _cases(dtype: str, *shapes: tuple[int, int, tuple[int, ...]]) -> tuple[Case, ...]:
    return tuple(
        Case(dtype=dtype, tokens=tokens, width=width, ranks=ranks)
        for tokens, width, ranks in shapes
    )


FOUR, EIGHT, SIXTEEN = (16,) * 4, (16,) * 8, (16,) * 16
UNEQUAL = (4, 8, 16, 32) * 2
SHAPES = (
    (512, 576, FOUR),
    (2048, 576, EIGHT),
    (2048, 576, UNEQUAL),
    (8192, 576, EIGHT),
    (512, 1024, EIGHT),
    (2048, 1024, FOUR),
    (2048, 1024, EIGHT),
    (2048, 1024, UNEQUAL),
    (2048, 1024, SIXTEEN),
    (2048, 2048, EIGHT),
    (2048, 2048, UNEQUAL * 2),
    (2048, 4096, EIGHT),
)
QUICK = ((2048, 576, EIGHT), (2048, 1024, EIGHT), (2048, 2048, EIGHT))
CASES: dict[Scale, tuple[Case, ...]] = {
    "tiny": _cases("bf16", (32, 64, (4, 8))),
    "quick": (*_cases("fp32", *QUICK), *_cases("bf16", *QUICK)),
    "full": (
        *_cases("fp32", *SHAPES),
        *_cases("bf16", *SHAPES, (8192, 1024, EIGHT), (8192, 2048, EIGHT)),
    ),
    "gpu": (
        *_cases("fp32", (8192, 2048, EIGHT)),
        *_cases("bf16", (2048, 2048, EIGHT), (8192, 2048, EIGHT), (16384, 4096, EIGHT)),
        *_cases("bf16", (8192, 4096, UNEQUAL), (8192, 4096, SIXTEEN)),
    ),
}


class Linear(Benchmark):
    """A token gate over all experts, top-2, and one task's fixed mixture."""

    name = "linear"

    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        for case in fitting(CASES, scale, device):
            built = candidates(case, device)
            groups = {"": built}
            if device.type == "cuda":
                static = {name: each for name, each in built.items() if not each.syncs}
                groups = {"": static, LAUNCHED: built}
            for ending, group in groups.items():
                yield from compare(
                    case.name + ending,
                    case.dtype,
                    group,
                    bases=(FROZEN, PEFT),
                    device=device,
                    rounds=ROUNDS[scale],
                    facts={"rank": sum(case.ranks), "experts": len(case.ranks)},
                )

    def targets(self, rows: Iterable[Row]) -> list[Target]:
        rows = list(rows)
        mine = [row for row in rows if row.form == COTERIE and row.facts["rank"] <= 128]
        soft = [row for row in mine if not row.case.endswith(LAUNCHED)]
        launched = [row.step[PEFT].median for row in mine if row.case.endswith(LAUNCHED)]
        peers = {row.case: row.saved_mib for row in rows if row.form == PEFT}
        times = [row.step[PEFT].median for row in soft]
        # In addition to PEFT's [tokens, rank] there may be [tokens, experts].
        saved = [
            row.saved_mib / peers[row.case] / (1 + row.facts["experts"] / row.facts["rank"])
            for row in soft
        ]
        return [
            Target(
                what="token gate, time of PEFT LoRA of the same rank (median, R <= 128)",
                limit=1.05,
                measured=statistics.median(times) if times else None,
            ),
            Target(
                what="token gate, saved bytes of the same and [tokens, experts] (median, R <= 128)",
                limit=1.0,
                measured=statistics.median(saved) if saved else None,
            ),
            *(
                Target(
                    what="the same time, with launches from Python instead of a CUDA graph",
                    limit=1.05,
                    measured=statistics.median(launched),
                )
                for _ in launched[:1]
            ),
        ]


def candidates(case: Case, device: torch.device) -> dict[str, Candidate]:
    dtype = DTYPES[case.dtype]
    host = nn.Linear(case.width, case.width, bias=False, device=device, dtype=dtype)
    host.requires_grad_(False)
    lora = Lora(ranks=case.ranks)
    soft = Mixture(experts=lora, router=Softmax())
    layers: dict[str, nn.Module] = {
        FROZEN: host,
        PEFT: peft_lora(host, sum(case.ranks), autocast=False),
        "loop over experts": LoopLora(host, case.ranks, 2.0, dtype),
        COTERIE: grafted(host, case.width, soft),
    }
    if dtype != torch.float32:
        layers["PEFT LoRA, its default"] = peft_lora(host, sum(case.ranks), autocast=True)
        layers["coterie, weights in bf16"] = grafted(host, case.width, soft, autocast=False)
    if device.type == "cuda":
        triton = Mixture(experts=replace(lora, kernel="triton"), router=Softmax())
        layers["coterie, Triton"] = grafted(host, case.width, triton)
    layers["coterie, top-2"] = grafted(host, case.width, Mixture(experts=lora, router=TopK(k=2)))
    task = Mixture(experts=lora, gate=TaskGate(per_token=False), router=Softmax())
    layers["coterie, one task"] = OfOneTask(grafted(host, case.width, task, tasks=TASKS))
    x = torch.randn(4, case.tokens // 4, case.width, device=device, dtype=dtype)
    x.requires_grad_()
    upstream = torch.randn_like(x)
    # Sparse dispatch, which top-2 may choose, synchronises for the experts' counts.
    return {
        name: layer_candidate(shaken(layer), x, upstream, syncs=name == "coterie, top-2")
        for name, layer in layers.items()
    }


def peft_lora(host: nn.Linear, rank: int, *, autocast: bool) -> nn.Module:
    """Return PEFT's own layer; `autocast`, its default, has float32 adapters and activations."""
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["host"])
    model = get_peft_model(
        nn.ModuleDict({"host": deepcopy(host)}), config, autocast_adapter_dtype=autocast
    )
    return model.get_submodule("base_model.model.host")
