"""Experts that are copies of a module of the base model: an MLP, a connector or another block."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import nn

from coterie.experts.base import Experts
from coterie.experts.copies_layer import CopiesLayer, FullCopies, LowRankCopies
from coterie.experts.mlp_structure import MLPStructure

KERNELS = ("auto", "reference", "fused")


@dataclass(frozen=True, kw_only=True)
class Copies(Experts):
    """Experts that are copies of the base layer with their own weights, and replace it.

    Every expert is initialised with the base layer's weights, unless `divisor` or `init` differ.
    With `trained="full"` each expert has a copy of all weights of the base layer. With
    `trained="lora"` none is copied: copies of one layer are identical and stay frozen, so the base
    layer's weights serve all experts, and each has only low-rank factors on its linear layers,
    scaled by alpha / rank; `up` starts at zero.

    Source: Mod-Squad's MLP experts (CVPR 2023) and Uni-MoE (arXiv 2405.11273), whose experts are
    feed-forward networks, trained in full and then with LoRA of rank 8. Departs: Uni-MoE's experts
    start from several single-modality models; here all start from the one base layer.

    Attributes:
        count: number of experts, at least 1.
        trained: "full" for experts with all weights, "lora" for low-rank factors on shared frozen
            weights.
        rank: rank of one expert's factors, at least 1; for "lora" only.
        alpha: scale of the factors times the rank, above 0; for "lora" only.
        divisor: an expert has the base layer's hidden units divided by this; for "full" only.
            Mod-Squad divides by the number of experts that a token uses, so that these cost as
            much as the base layer. Expert e starts with the e-th share of the base layer's units
            (in turn), its output times the divisor: the sum of as many different shares with equal
            weights that sum to 1 is the base layer.
        init: "host", or "fresh" for torch's random initialisation of a linear layer, for training
            from scratch; for "full" only. Departs: Mod-Squad's code samples from +- 1 / fan_in,
            which makes outputs near 0 at these widths.
        kernel: "reference" calls the module once an expert; "fused" needs an MLP of known
            structure, and `build` raises ValueError for another; "auto" is "fused" if possible.
            "fused" and "auto" run all experts on all tokens under `torch.compile`.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "block"
    count: int = 4  # pyright: ignore[reportIncompatibleMethodOverride]  a field answers it
    trained: Literal["full", "lora"] = "full"
    rank: int = 8
    alpha: float = 16.0
    divisor: int = 1
    init: Literal["host", "fresh"] = "host"
    kernel: Literal["auto", "reference", "fused"] = "auto"

    def __post_init__(self) -> None:
        if self.count < 1 or self.rank < 1:
            raise ValueError(
                f"Copies(count={self.count!r}, rank={self.rank!r}): allowed is 1 or more of each"
            )
        if not self.alpha > 0:
            raise ValueError(f"Copies(alpha={self.alpha!r}): allowed is anything above 0")
        if self.trained not in ("full", "lora"):
            raise ValueError(f"Copies(trained={self.trained!r}): allowed are 'full' and 'lora'")
        if self.init not in ("host", "fresh"):
            raise ValueError(f"Copies(init={self.init!r}): allowed are 'host' and 'fresh'")
        if self.divisor < 1 or (
            self.trained == "lora" and (self.divisor, self.init) != (1, "host")
        ):
            raise ValueError(
                f"Copies(divisor={self.divisor!r}, init={self.init!r}, trained={self.trained!r}): "
                "allowed are a divisor of 1 or more, and other than 1 and 'host' with 'full' only"
            )
        if self.kernel not in KERNELS:
            raise ValueError(f"Copies(kernel={self.kernel!r}): allowed are {KERNELS}")

    @property
    def is_additive(self) -> bool:
        return False

    @property
    def uses_base_weights(self) -> bool:
        return self.trained == "lora"

    def build(self, base_layer: nn.Module, shared: Experts | None) -> CopiesLayer:
        if shared is not None and not (shared.count == 1 and self.is_same_kind_as(shared)):
            raise ValueError(f"shared={shared!r}: beside {self!r} it is the same with count=1")
        segments = self.count + (shared is not None)
        structure = MLPStructure.detect(base_layer)
        if self.kernel == "fused" and structure is None:
            raise ValueError(
                f'kernel="fused" does not know the structure of {type(base_layer).__name__}; it '
                'fits MLPs of two or three linear layers and one activation. Use kernel="auto".'
            )
        layer = FullCopies if self.trained == "full" else LowRankCopies
        return layer(self, base_layer, segments, None if self.kernel == "reference" else structure)

    def is_same_kind_as(self, other: Experts) -> bool:
        """Return whether `other` is equal except for its count and kernel."""
        return isinstance(other, Copies) and self == replace(
            other, count=self.count, kernel=self.kernel
        )
