"""Experts that are copies of a module of the base model: an MLP, a connector or another block."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from coterie.annotations import check_choices
from coterie.experts.base import Experts
from coterie.experts.copies_layer import (
    SHARED_PREFIX,
    CopiesLayer,
    FullCopies,
    LowRankCopies,
)
from coterie.experts.mlp_structure import MLPStructure
from coterie.experts.weight_change import WeightChange


@dataclass(frozen=True, kw_only=True)
class Copies(Experts):
    """Experts that are copies of the base layer with their own weights, and replace it.

    Every expert is initialised with the base layer's weights, unless `divisor` or `init` differ,
    or `start_expert` makes it a copy of a trained model's.

    Source: Mod-Squad's MLP experts (CVPR 2023) and Uni-MoE (arXiv 2405.11273), whose experts are
    the feed-forward networks of separately trained models, tuned together with LoRA of rank 8.

    Attributes:
        count: at least 1.
        trained: "full": each expert has a copy of all weights. "lora": the frozen weights of the
            base layer serve all experts, and each has low-rank factors on its linear layers,
            scaled by alpha / rank; `up` starts at zero.
        rank, alpha: of one expert's factors, at least 1 and above 0; for "lora" only.
        start_rank: rank of the frozen change by which each expert starts away from the base layer,
            0 for none; for "lora" only. `start_expert` sets it, and adapters hold it. A trained
            LoRA is such a change of its own rank; one of full copies needs the smaller width of
            the linear layers, at which any change is exact.
        divisor: an expert has the base layer's hidden units divided by this; for "full" only.
            Mod-Squad divides by the experts that a token uses, at the base layer's cost. Expert e
            starts with the e-th share of the base layer's units (in turn), its output times the
            divisor: the sum of as many different shares with equal weights that sum to 1 is the
            base layer.
        init: "host"; "zero", the same with an output map of 0, for experts that are added to what
            computes the base layer's output already; or "fresh" for torch's random initialisation
            of a linear layer, for training from scratch. Other than "host" for "full" only.
            Departs: Mod-Squad's code samples from +- 1 / fan_in, which makes outputs near 0 at
            these widths.
        kernel: "reference" calls the module once an expert; "fused" needs an MLP of known
            structure, and `build` raises ValueError for another; "auto" is "fused" if possible.
            "fused" and "auto" run all experts on all tokens under `torch.compile`.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "block"
    count: int = 4  # pyright: ignore[reportIncompatibleMethodOverride]  a field answers it
    trained: Literal["full", "lora"] = "full"
    rank: int = 8
    alpha: float = 16.0
    start_rank: int = 0
    divisor: int = 1
    init: Literal["host", "zero", "fresh"] = "host"
    kernel: Literal["auto", "reference", "fused"] = "auto"

    def __post_init__(self) -> None:
        check_choices(self)
        if self.count < 1 or self.rank < 1:
            raise ValueError(
                f"Copies(count={self.count!r}, rank={self.rank!r}): allowed is 1 or more of each"
            )
        if not self.alpha > 0:
            raise ValueError(f"Copies(alpha={self.alpha!r}): allowed is anything above 0")
        plain = (self.divisor, self.init) == (1, "host")
        if self.divisor < 1 or (self.trained == "lora" and not plain):
            raise ValueError(
                f"Copies(divisor={self.divisor!r}, init={self.init!r}, trained={self.trained!r}): "
                "allowed are a divisor of 1 or more, and other than 1 and 'host' with 'full' only"
            )
        if self.start_rank < 0 or (self.start_rank and self.trained == "full"):
            raise ValueError(
                f"Copies(start_rank={self.start_rank!r}, trained={self.trained!r}): allowed is 0 "
                "or more with 'lora'; 'full' copies hold their start in their own weights"
            )

    @property
    def is_additive(self) -> bool:
        return False

    @property
    def uses_base_weights(self) -> bool:
        return self.trained == "lora"

    @property
    def is_divisible(self) -> bool:
        return self.trained == "full" and self.count > 1

    def build(self, base_layer: nn.Module, shared: Experts | None) -> CopiesLayer:
        is_stacked = shared is None or self._is_of_one_size(shared)
        if not is_stacked:
            self._check_shared(shared)
        if any(isinstance(each, nn.Conv2d) for each in base_layer.modules()):
            raise ValueError(
                f"Copies runs on single tokens, and {type(base_layer).__name__} has convolutions "
                "over neighbours: use Lora there"
            )
        segments = self.count + (shared.count if shared is not None and is_stacked else 0)
        structure = MLPStructure.detect(base_layer)
        if self.kernel == "fused" and structure is None:
            raise ValueError(
                f'kernel="fused" does not know the structure of {type(base_layer).__name__}; it '
                'fits MLPs of two or three linear layers and one activation. Use kernel="auto".'
            )
        structure = None if self.kernel == "reference" else structure
        scale, is_reference = self.alpha / self.rank, self.kernel == "reference"
        if self.trained == "lora":
            stacks = self._make_factors(base_layer, segments, structure)
            return LowRankCopies(
                stacks, structure, is_reference=is_reference, scale=scale,
                start_rank=self.start_rank,
            )  # fmt: skip
        always = None
        if isinstance(shared, Copies) and not is_stacked:
            always = shared._stack_weights(base_layer, shared.count)
        stacks = self._stack_weights(base_layer, segments)
        return FullCopies(stacks, structure, is_reference=is_reference, scale=scale, always=always)

    def _is_of_one_size(self, shared: Experts) -> bool:
        """Return whether the weights of shared experts are stacked with those of the routed."""
        return isinstance(shared, Copies) and self == replace(
            shared, count=self.count, kernel=self.kernel
        )

    def _check_shared(self, shared: Experts | None) -> None:
        if not (isinstance(shared, Copies) and self.trained == shared.trained == "full"):
            raise ValueError(
                f"shared={shared!r}: beside {self!r} it is the same with any count, and beside "
                "copies with trained='full' others of these"
            )

    def count_parameters(self, layer: nn.Module, shared: Experts | None) -> list[int]:
        named = (*layer.named_parameters(), *layer.named_buffers())
        routed = [each for name, each in named if not name.startswith(SHARED_PREFIX)]
        return [sum(each[0].numel() for each in routed)] * self.count

    def find_shared_rows(self, layer: nn.Module, shared: Experts) -> dict[str, slice]:
        if self._is_of_one_size(shared):
            return super().find_shared_rows(layer, shared)
        names = [name for name, _ in layer.named_parameters()]
        return {name: slice(0, None) for name in names if name.startswith(SHARED_PREFIX)}

    def find_copy_problem(self, shared: Experts | None) -> str | None:
        if shared is None or self._is_of_one_size(shared):
            return None
        return (
            f"the shared experts, {shared!r}, are no copies of one of {self!r}: give both one size"
        )

    def get_changes(self, layer: nn.Module, base_layer: nn.Module) -> dict[str, WeightChange]:
        assert isinstance(layer, CopiesLayer)
        if self.divisor > 1:
            raise ValueError(f"Copies(divisor={self.divisor}) are no change of the base layer")
        return layer.get_changes(base_layer)

    def start_expert(
        self, layer: nn.Module, expert: int, changes: Mapping[str, WeightChange]
    ) -> None:
        assert isinstance(layer, CopiesLayer)
        if (self.divisor, self.init) != (1, "host"):
            raise ValueError(
                f"Copies(divisor={self.divisor}, init={self.init!r}) cannot start from trained "
                "models: leave these at 1 and 'host'"
            )
        with torch.no_grad():
            layer.start_expert(expert, changes)

    def _make_factors(
        self, base_layer: nn.Module, segments: int, structure: MLPStructure | None
    ) -> dict[str, Tensor]:
        """Return "fc1.down" and "fc1.up" of each linear layer, [segments, ...]; `up` is 0."""
        linears = {name: m for name, m in base_layer.named_modules() if isinstance(m, nn.Linear)}
        if not linears or "" in linears:
            raise ValueError(
                f'trained="lora" needs a module with linear layers in it, got '
                f'{type(base_layer).__name__}; use trained="full".'
            )
        stacks = {}
        for name, linear in linears.items():
            weight, is_float = linear.weight, linear.weight.is_floating_point()
            if structure is None and not is_float:
                raise ValueError(
                    f"{type(base_layer).__name__} is quantised and of no known structure; use "
                    "Lora there."
                )
            dtype = weight.dtype if is_float else torch.float32
            options: Any = {"device": weight.device, "dtype": dtype}
            down = torch.empty(segments, self.rank, linear.in_features, **options)
            for part in down:
                nn.init.kaiming_uniform_(part, a=math.sqrt(5))
            up = torch.zeros(segments, linear.out_features, self.rank, **options)
            stacks |= {f"{name}.down": down, f"{name}.up": up}
        return stacks

    @torch.no_grad()
    def _stack_weights(self, base_layer: nn.Module, segments: int) -> dict[str, Tensor]:
        """Return base layer's parameter name -> the experts' initial weights [segments, *shape]."""
        kind = type(base_layer).__name__
        for name, parameter in base_layer.named_parameters():
            if not parameter.is_floating_point():
                raise ValueError(
                    f"{name} of {kind} is {parameter.dtype} and cannot be trained; use "
                    'trained="lora" on a quantised model.'
                )
        if self.divisor == 1 and self.init == "host":
            parts = {name: part.detach() for name, part in base_layer.named_parameters()}
            return {name: p.expand(segments, *p.shape).clone() for name, p in parts.items()}
        structure = MLPStructure.detect(base_layer)
        if structure is None:
            raise ValueError(
                f"divisor={self.divisor} and init={self.init!r} need an MLP of two or three linear "
                f"layers, which {kind} is not: leave them at 1 and 'host'"
            )
        stacks = {}
        for name in structure.maps:
            linear: Any = base_layer.get_submodule(name)
            last = name == structure.maps[-1]
            parts = [self._select_hidden_units(linear, e, is_last=last) for e in range(segments)]
            for key, tensors in zip(("weight", "bias"), zip(*parts, strict=True), strict=True):
                if tensors[0] is not None:
                    stacks[f"{name}.{key}"] = torch.stack(tensors)
        return stacks

    def _select_hidden_units(
        self, linear: nn.Linear, expert: int, *, is_last: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return one expert's share of a layer's hidden units, or as many random new ones."""
        hidden = linear.in_features if is_last else linear.out_features
        each, rest = divmod(hidden, self.divisor)
        if rest:
            raise ValueError(
                f"Copies(divisor={self.divisor}) does not divide the {hidden} hidden units of the "
                "host's MLP: give a divisor of it"
            )
        start = each * (expert % self.divisor)
        own = slice(start, start + each)
        weight = linear.weight[:, own] if is_last else linear.weight[own]
        bias = linear.bias if linear.bias is None or is_last else linear.bias[own]
        if self.init == "zero" and is_last:
            return torch.zeros_like(weight), bias if bias is None else torch.zeros_like(bias)
        if self.init != "fresh":
            # The sum of `divisor` different shares with weights of 1 / divisor is the base layer.
            return (weight * self.divisor if is_last else weight), bias
        bound = weight.shape[1] ** -0.5
        fresh = torch.empty_like(weight).uniform_(-bound, bound)
        return fresh, None if bias is None else torch.empty_like(bias).uniform_(-bound, bound)
