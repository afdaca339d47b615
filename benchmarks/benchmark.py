"""`Benchmark`: the interface of all benchmarks, with rows of measured ratios, and targets."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol, TypeVar

import torch
from torch import nn

from benchmarks.timing import Candidate, Ratio, clock_for, interleaved

Scale = Literal["tiny", "quick", "full", "gpu"]
"""For tests; a check in minutes; for publication; sizes that fill a GPU, in minutes there."""
ROUNDS: dict[Scale, int] = {"tiny": 2, "quick": 7, "full": 11, "gpu": 11}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
MIB = 2**20


class Case(Protocol):
    @property
    def dtype(self) -> str: ...


AnyCase = TypeVar("AnyCase", bound=Case)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One form in one case.

    Attributes:
        case: dtype and shapes, the same for all rows that were timed together.
        dtype: "fp32" or "bf16".
        form: the candidate's name.
        step_ms: median time of forward and backward pass.
        step: name of a base -> that time in units of the base's.
        forward: the same for the forward pass alone, without gradients; empty if not timed.
        saved_mib: activations saved for backward, without parameters and the input.
        facts: numbers of the case by which targets select rows.
    """

    case: str
    dtype: str
    form: str
    step_ms: float
    step: dict[str, Ratio]
    forward: dict[str, Ratio] = field(default_factory=dict)
    saved_mib: float
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A performance target: `measured` should be at most `limit`; None if no row applies."""

    what: str
    limit: float
    measured: float | None

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "unmeasured"
        if self.measured <= self.limit:
            return "met"
        return f"missed by {self.measured / self.limit - 1:.1%}"


class Benchmark(ABC):
    """A comparison of coterie with its peers on one kind of layer, or on a model."""

    name: ClassVar[str]

    @abstractmethod
    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        """Measure all cases of a scale."""

    @abstractmethod
    def targets(self, rows: Iterable[Row]) -> list[Target]:
        """Return the performance targets for `rows`."""


def compare(
    case: str,
    dtype: str,
    candidates: Mapping[str, Candidate],
    *,
    bases: Iterable[str],
    device: torch.device,
    rounds: int,
    infer: bool = False,
    facts: Mapping[str, float] | None = None,
) -> Iterator[Row]:
    """Time the candidates of one case together; yield a row for each, in units of `bases`."""
    clock, bases = clock_for(device), tuple(bases)
    steps = interleaved(candidates, lambda each: each.step, clock=clock, rounds=rounds)
    inferred = None
    if infer:
        inferred = interleaved(candidates, lambda each: each.infer, clock=clock, rounds=rounds)
    for form, candidate in candidates.items():
        yield Row(
            case=case,
            dtype=dtype,
            form=form,
            step_ms=steps.median_ms(form),
            step={base: steps.ratio(form, base) for base in bases},
            forward={base: inferred.ratio(form, base) for base in bases} if inferred else {},
            saved_mib=candidate.saved_bytes() / MIB,
            facts=dict(facts or {}),
        )


def multiplies_bf16(device: torch.device) -> bool:
    """Return whether the device has instructions for bfloat16 products.

    Without them a product takes eight times as long as in float32, and its ratios are meaningless.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        return "bf16" in Path("/proc/cpuinfo").read_text()
    except FileNotFoundError:
        return False


def fitting(
    cases: Mapping[Scale, tuple[AnyCase, ...]], scale: Scale, device: torch.device
) -> tuple[AnyCase, ...]:
    """Return the cases of a scale that are meaningful on `device`; for tests, all of them."""
    told = multiplies_bf16(device) or scale == "tiny"
    return tuple(case for case in cases[scale] if told or case.dtype != "bf16")


def worst(rows: Iterable[Row], base: str) -> float | None:
    """Return the largest step, in units of the base's."""
    return max((row.step[base].median for row in rows), default=None)


def shaken(module: nn.Module) -> nn.Module:
    """Set trained parameters to random numbers: products with zeros need less power."""
    for parameter in module.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.02)
    return module


def layer_candidate(
    layer: nn.Module, x: torch.Tensor, upstream: torch.Tensor, *, syncs: bool = False
) -> Candidate:
    """Return a candidate of a layer on an input with a gradient, as inside a model."""
    parameters = tuple(layer.parameters())
    trained = tuple(parameter for parameter in parameters if parameter.requires_grad)

    def forward() -> torch.Tensor:
        answer = layer(x)
        return answer[0] if isinstance(answer, tuple) else answer

    return Candidate(
        forward=forward,
        wanted=(x, *trained),
        upstream=upstream,
        fixed=(*parameters, *layer.buffers()),
        syncs=syncs,
    )
