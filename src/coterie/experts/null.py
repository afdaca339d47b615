"""Null experts, which cost nothing and add nothing."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from coterie.experts.base import ExpertLayer, Experts


@dataclass(frozen=True, kw_only=True)
class Null(Experts):
    """Experts without weights whose output is zero, so that a token may use less compute.

    `count` is at least 1. Source: Uni-MoE 2.0 (arXiv 2511.12509), which has null experts in
    addition to routed and shared ones.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "block"
    count: int = 1  # pyright: ignore[reportIncompatibleMethodOverride]  a field answers it

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"Null(count={self.count!r}): allowed is 1 or more")

    def build(self, base_layer: nn.Module, shared: Experts | None) -> ExpertLayer | None:
        """Return None for any base layer: null experts have no weights."""
        return None
