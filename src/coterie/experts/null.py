"""Null experts: a choice that costs nothing and adds nothing."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from coterie.experts.base import ExpertLayer, Experts


@dataclass(frozen=True, kw_only=True)
class Null(Experts):
    """Experts whose output is zero, so that a token can be given less than it could have.

    They have no weights. A token whose chosen experts include a null one spends that much less
    compute, and the weight it gave the null expert is lost. Source: Uni-MoE 2.0
    (arXiv 2511.12509), where null experts stand beside routed and shared ones.

    Attributes:
        count: how many null experts there are to choose from, at least 1.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "block"
    count: int = 1  # pyright: ignore[reportIncompatibleMethodOverride]  a field answers it

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"Null(count={self.count!r}): allowed is 1 or more")

    def build(self, base_layer: nn.Module, shared: Experts | None) -> ExpertLayer | None:
        """None, whatever the host: there is nothing to hold, nor for an always-on expert."""
        return None
