"""The weights of `Copies`, stacked: all of the host's, or low-rank factors beside it."""

import math
from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.experts.base import ExpertLayer
from coterie.experts.mlp_structure import MLPStructure, run_all, run_assigned
from coterie.kernels.mlp import (
    StackedLinear,
    StackedLowRank,
    apply_low_rank_mlp,
    apply_low_rank_mlp_dense,
    apply_mlp,
    apply_mlp_dense,
)
from coterie.routing.decision import DeferredRouting, RoutingDecision


@runtime_checkable
class CopiesOptions(Protocol):
    """The fields of `Copies` that its layers read."""

    @property
    def rank(self) -> int: ...

    @property
    def alpha(self) -> float: ...

    @property
    def divisor(self) -> int: ...

    @property
    def init(self) -> str: ...

    @property
    def kernel(self) -> str: ...


class CopiesLayer(ExpertLayer):
    """The gates of each token and the choice of a kernel, the same for both kinds of copies."""

    def __init__(self, kind: CopiesOptions, segments: int, structure: MLPStructure | None) -> None:
        super().__init__()
        self.kind = kind
        self.segments = segments
        self.structure = structure

    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, RoutingDecision]:
        """`x` has any leading axes; the answer keeps them.

        Raises ValueError if the host is called with more than x: experts see chosen tokens only,
        which further arguments would not match.
        """
        if args or kwargs:
            raise ValueError(
                f"Copies calls its module with the tokens alone, but {type(base_layer).__name__} "
                f"was called with {len(args)} further arguments and {sorted(kwargs)}; use Lora "
                "there."
            )
        device = x.device.type
        if torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))
        tokens = x.reshape(-1, x.shape[-1])
        decision = deferred.make_decision(deferred.resolve(tokens))
        gates = decision.combine_weights
        if deferred.is_uniform:
            gates = gates.reshape(1, -1).expand(len(tokens), -1)
        elif deferred.per_sample:
            gates = gates[:, None].expand(-1, math.prod(x.shape[1:-1]), -1)
        y = self.mix(base_layer, tokens, gates.reshape(-1, self.segments))
        return y.reshape(*x.shape[:-1], y.shape[-1]), decision

    def mix(
        self,
        base_layer: nn.Module,
        x: Float[Tensor, "tokens width"],
        gates: Float[Tensor, "tokens segments"],
    ) -> Float[Tensor, "tokens out"]:
        """sum_e gates_e * expert_e(x), by the kernel that fits."""
        traced = torch.compiler.is_compiling() and self.kind.kernel != "reference"
        if traced:
            # The slots' forms give gates of 0 no gradient; so must this one.
            gates = torch.where(gates != 0, gates, 0.0)
        if self.structure is not None:
            return self.run_fused(self.structure, base_layer, x, gates, traced)
        stacks = self.stack_weights(base_layer, x.dtype)
        if traced:
            return run_all(base_layer, x, gates, stacks)
        return run_assigned(base_layer, x, gates, stacks, self.dispatcher)

    @abstractmethod
    def stack_weights(self, base_layer: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        """The host's parameter names -> the experts' weights [segments, *shape] in `dtype`."""

    @abstractmethod
    def run_fused(
        self, structure: MLPStructure, base_layer: nn.Module, x: Tensor, gates: Tensor, traced: bool
    ) -> Float[Tensor, "tokens out"]:
        """The fast form; `traced` asks for one without shapes that depend on the gates."""


class FullCopies(CopiesLayer):
    """Copies that own all weights: `fc1.weight` of the host is `fc1__weight` here, stacked."""

    def __init__(
        self,
        kind: CopiesOptions,
        base_layer: nn.Module,
        segments: int,
        structure: MLPStructure | None,
    ) -> None:
        super().__init__(kind, segments, structure)
        self.names = {name: name.replace(".", "__") for name, _ in base_layer.named_parameters()}
        for name, parameter in base_layer.named_parameters():
            if not parameter.is_floating_point():
                raise ValueError(
                    f"{name} of {type(base_layer).__name__} is {parameter.dtype} and cannot be "
                    'trained; use trained="lora" on a quantised model.'
                )
        for name, stack in stack_module_weights(kind, base_layer, segments).items():
            self.register_parameter(self.names[name], nn.Parameter(stack))

    def stack_weights(self, base_layer: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        return {name: self.get_parameter(own).to(dtype) for name, own in self.names.items()}

    def get_stacked_linear(self, name: str) -> StackedLinear:
        bias = self.names.get(f"{name}.bias")
        return StackedLinear(
            self.get_parameter(f"{name}__weight"),
            None if bias is None else self.get_parameter(bias),
        )

    def run_fused(
        self, structure: MLPStructure, base_layer: nn.Module, x: Tensor, gates: Tensor, traced: bool
    ) -> Float[Tensor, "tokens out"]:
        inputs = [self.get_stacked_linear(name) for name in structure.inputs]
        output = self.get_stacked_linear(structure.output)
        activation = base_layer.get_submodule(structure.activation)
        if traced:
            return apply_mlp_dense(x, gates, inputs, output, activation)
        return apply_mlp(x, gates, inputs, output, activation, self.dispatcher)


class LowRankCopies(CopiesLayer):
    """Copies that share the host's weights: `fc1` has `fc1__down` and `fc1__up` here, stacked."""

    def __init__(
        self,
        kind: CopiesOptions,
        base_layer: nn.Module,
        segments: int,
        structure: MLPStructure | None,
    ) -> None:
        super().__init__(kind, segments, structure)
        linears = {name: m for name, m in base_layer.named_modules() if isinstance(m, nn.Linear)}
        self.names = {name: name.replace(".", "__") for name in linears}
        if not linears or "" in linears:
            raise ValueError(
                f'trained="lora" needs a module with linear layers in it, got '
                f'{type(base_layer).__name__}; use trained="full".'
            )
        for name, linear in linears.items():
            weight = linear.weight
            if structure is None and not weight.is_floating_point():
                raise ValueError(
                    f"{type(base_layer).__name__} is quantised and of no known structure; use "
                    "Lora there."
                )
            options = {
                "device": weight.device,
                "dtype": weight.dtype if weight.is_floating_point() else torch.float32,
            }
            down = torch.empty(segments, kind.rank, linear.in_features, **options)
            for part in down:
                nn.init.kaiming_uniform_(part, a=math.sqrt(5))
            up = torch.zeros(segments, linear.out_features, kind.rank, **options)
            self.register_parameter(f"{self.names[name]}__down", nn.Parameter(down))
            self.register_parameter(f"{self.names[name]}__up", nn.Parameter(up))

    def get_factors(self, name: str) -> tuple[Tensor, Tensor]:
        """(down, up), the scale on the latter."""
        own = self.names[name]
        scale = self.kind.alpha / self.kind.rank
        return self.get_parameter(f"{own}__down"), self.get_parameter(f"{own}__up") * scale

    def stack_weights(self, base_layer: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        stacks = {}
        for name in self.names:
            down, up = self.get_factors(name)
            weight = base_layer.get_parameter(f"{name}.weight")
            stacks[f"{name}.weight"] = (weight + up @ down).to(dtype)
        return stacks

    def run_fused(
        self, structure: MLPStructure, base_layer: nn.Module, x: Tensor, gates: Tensor, traced: bool
    ) -> Float[Tensor, "tokens out"]:
        form = apply_low_rank_mlp_dense if traced else apply_low_rank_mlp
        activation = base_layer.get_submodule(structure.activation)
        *inputs, output = [
            StackedLowRank(base_layer.get_submodule(name), *self.get_factors(name))
            for name in (*structure.inputs, structure.output)
        ]
        return form(x, gates, inputs, output, activation)


@torch.no_grad()
def stack_module_weights(
    kind: CopiesOptions, base_layer: nn.Module, segments: int
) -> dict[str, Tensor]:
    """The host's parameter names -> what the experts begin with, [segments, *shape]."""
    if kind.divisor == 1 and kind.init == "host":
        return {
            name: part.detach().expand(segments, *part.shape).clone()
            for name, part in base_layer.named_parameters()
        }
    anatomy = MLPStructure.detect(base_layer)
    if anatomy is None:
        raise ValueError(
            f"divisor={kind.divisor} and init={kind.init!r} need an MLP of two or three linear "
            f"layers, which {type(base_layer).__name__} is not: leave them at 1 and 'host'"
        )
    found = {}
    for name in (*anatomy.inputs, anatomy.output):
        linear: Any = base_layer.get_submodule(name)
        parts = [select_hidden_units(kind, linear, expert, last=name == anatomy.output)
                 for expert in range(segments)]  # fmt: skip
        found[f"{name}.weight"] = torch.stack([weight for weight, _ in parts])
        if linear.bias is not None:
            found[f"{name}.bias"] = torch.stack([bias for _, bias in parts if bias is not None])
    return found


def select_hidden_units(
    kind: CopiesOptions, linear: nn.Linear, expert: int, *, last: bool
) -> tuple[Tensor, Tensor | None]:
    """An expert's own hidden units of one linear layer of the host, or new ones, as many."""
    hidden = linear.in_features if last else linear.out_features
    if hidden % kind.divisor:
        raise ValueError(
            f"Copies(divisor={kind.divisor}) does not divide the {hidden} hidden units of the "
            "host's MLP: give a divisor of it"
        )
    each = hidden // kind.divisor
    own = slice(each * (expert % kind.divisor), each * (expert % kind.divisor + 1))
    weight = linear.weight.detach()[:, own] if last else linear.weight.detach()[own]
    bias = linear.bias if linear.bias is None else linear.bias.detach()
    bias = bias if bias is None or last else bias[own]
    if kind.init == "host":
        # So that `divisor` different shares with weights of 1 / divisor are the host.
        return (weight * kind.divisor if last else weight), bias
    bound = weight.shape[1] ** -0.5
    drawn = [each if each is None else torch.empty_like(each).uniform_(-bound, bound)
             for each in (weight, bias)]  # fmt: skip
    return drawn[0], drawn[1]
