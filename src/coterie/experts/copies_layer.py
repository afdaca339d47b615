"""The stacked weights of `Copies`: full copies of the base layer's, or low-rank factors."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from coterie.experts.base import ExpertLayer, cast_for_autocast, expand_gates
from coterie.experts.mlp_structure import MLPStructure, run_all, run_assigned
from coterie.experts.weight_change import WeightChange
from coterie.kernels import mlp
from coterie.kernels.dispatch import LOCAL, TokenGates
from coterie.kernels.mlp_grouped import apply_mlp_grouped, supports_grouped
from coterie.routing.decision import DeferredRouting, RoutingDecision

SHARED_PREFIX = "shared__"
"""Of the parameters of shared experts that have another size than the routed ones."""


class CopiesLayer(ExpertLayer):
    """The combine weights of each token and the choice of a kernel, for both kinds of copies.

    Attributes:
        structure: that of the base layer; None to call it instead of a fused kernel.
        is_reference: run each expert on its own tokens, also when traced.
        names: weight's name in the base layer -> name of the stacked parameter here.
    """

    def __init__(
        self,
        stacks: Mapping[str, Tensor],
        structure: MLPStructure | None,
        *,
        is_reference: bool,
        scale: float,
        start_rank: int = 0,
    ) -> None:
        """Initialise with `stacks`, weight's name in the base layer -> [segments, ...]."""
        super().__init__()
        self.structure, self.is_reference, self.scale = structure, is_reference, scale
        self.start_rank = start_rank
        self.names = {name: name.replace(".", "__") for name in stacks}
        for name, stack in stacks.items():
            self.register_parameter(self.names[name], nn.Parameter(stack))

    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, RoutingDecision]:
        """Run the experts on `x` [..., width]. Raises ValueError if there are further arguments."""
        if args or kwargs:
            raise ValueError(
                f"Copies calls its module with the tokens alone, but {type(base_layer).__name__} "
                f"was called with {len(args)} further arguments and {sorted(kwargs)}; use Lora "
                "there."
            )
        x = cast_for_autocast(x)
        tokens = x.reshape(-1, x.shape[-1])
        decision = deferred.make_decision(deferred.resolve(tokens))
        y = self.mix(base_layer, tokens, expand_gates(decision, deferred, x))
        return y.reshape(*x.shape[:-1], y.shape[-1]), decision

    def mix(self, base_layer: nn.Module, x: mlp.Tokens, gates: TokenGates) -> mlp.Outputs:
        """Compute sum_e gates_e * expert_e(x) with the kernel for this structure."""
        traced = torch.compiler.is_compiling() and not self.is_reference
        if traced:
            # Gates of 0 get no gradient, as in the kernels that run assigned tokens only.
            gates = torch.where(gates != 0, gates, 0.0)
        if self.structure is not None:
            return self.run_fused(self.structure, base_layer, x, gates, traced)
        stacks = self.stack_weights(base_layer, x.dtype)
        if traced:
            return run_all(base_layer, x, gates, stacks)
        return run_assigned(base_layer, x, gates, stacks, self.dispatcher)

    @abstractmethod
    def stack_weights(self, base_layer: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        """Return base layer's parameter name -> experts' weights [segments, *shape] in `dtype`."""

    @abstractmethod
    def get_changes(self, base_layer: nn.Module) -> dict[str, WeightChange]:
        """Return what the first expert changes, by linear layer of the base layer."""

    @abstractmethod
    def start_expert(self, expert: int, changes: Mapping[str, WeightChange]) -> None:
        """Make an expert a copy of the base layer with these changes. ValueError if one is none."""

    @abstractmethod
    def run_fused(
        self, structure: MLPStructure, base_layer: nn.Module, x: Tensor, gates: Tensor, traced: bool
    ) -> mlp.Outputs:
        """Run the fused kernel; `traced` selects one without shapes that depend on the gates."""


class FullCopies(CopiesLayer):
    """Copies with all weights: `fc1.weight` of the base layer is `fc1__weight` here.

    `always` are the weights of shared experts that have another size, as `stacks`; those of the
    same size are the last of `stacks`.
    """

    def __init__(
        self,
        stacks: Mapping[str, Tensor],
        structure: MLPStructure | None,
        *,
        is_reference: bool,
        scale: float,
        always: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(stacks, structure, is_reference=is_reference, scale=scale)
        self.num_stacked = len(next(iter(stacks.values())))
        self.shared_names: dict[str, str] = {}
        for name, stack in (always or {}).items():
            self.shared_names[name] = SHARED_PREFIX + name.replace(".", "__")
            self.register_parameter(self.shared_names[name], nn.Parameter(stack))

    def mix(self, base_layer: nn.Module, x: mlp.Tokens, gates: TokenGates) -> mlp.Outputs:
        y = super().mix(base_layer, x, gates[:, : self.num_stacked])
        if not self.shared_names:
            return y
        always, names = gates[:, self.num_stacked :], self.shared_names.items()
        stacks = {name: self.get_parameter(own).to(x.dtype) for name, own in names}
        if self.structure is None:
            return y + run_all(base_layer, x, always, stacks)
        # All tokens use all of them, in this process: nothing is dispatched.
        maps = _make_maps(self.structure, stacks)
        activation = base_layer.get_submodule(self.structure.activation)
        return y + mlp.apply_mlp_dense(x, always, maps, activation)

    def stack_weights(self, base_layer: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        return {name: self._get_local(own).to(dtype) for name, own in self.names.items()}

    def _get_local(self, name: str) -> Tensor:
        return self.dispatcher.get_local(self.get_parameter(name))

    def get_changes(self, base_layer: nn.Module) -> dict[str, WeightChange]:
        changes = {
            name: (self.get_parameter(own)[0] - base_layer.get_parameter(name)).detach().float()
            for name, own in self.names.items()
        }
        linears = {n for n, each in base_layer.named_modules() if isinstance(each, nn.Linear)}
        for name, change in changes.items():
            if name.rpartition(".")[0] not in linears and change.any():
                raise ValueError(f"{name} was trained, and is of no linear layer")
        return {
            name: WeightChange.from_matrix(changes[f"{name}.weight"], changes.get(f"{name}.bias"))
            for name in sorted(linears)
        }

    def start_expert(self, expert: int, changes: Mapping[str, WeightChange]) -> None:
        for name, change in changes.items():
            weight = self.get_parameter(self.names[f"{name}.weight"])
            weight[expert] += change.compute_matrix().to(weight)
            if change.bias is not None:
                self.get_parameter(self.names[f"{name}.bias"])[expert] += change.bias.to(weight)

    def run_fused(
        self, structure: MLPStructure, base_layer: nn.Module, x: Tensor, gates: Tensor, traced: bool
    ) -> mlp.Outputs:
        stacks = {name: self._get_local(own) for name, own in self.names.items()}
        maps = _make_maps(structure, stacks)
        activation = base_layer.get_submodule(structure.activation)
        if traced:
            return mlp.apply_mlp_dense(x, gates, maps, activation)
        if self.dispatcher is LOCAL and supports_grouped(x, [each.weight for each in maps]):
            return apply_mlp_grouped(x, gates, maps, activation)
        return mlp.apply_mlp(x, gates, maps, activation, self.dispatcher)


def _make_maps(structure: MLPStructure, stacks: Mapping[str, Tensor]) -> list[mlp.StackedLinear]:
    return [
        mlp.StackedLinear(stacks[f"{name}.weight"], stacks.get(f"{name}.bias"))
        for name in structure.maps
    ]


class LowRankCopies(CopiesLayer):
    """Copies that share the base layer's weights: `fc1` has `fc1__down` and `fc1__up` here.

    Where experts start from trained models, the change by which each starts is in the buffers
    `fc1__start_down` and `fc1__start_up`: frozen factors of `start_rank`, saved with the adapter.
    """

    def __init__(self, stacks: Mapping[str, Tensor], *args: Any, **options: Any) -> None:
        super().__init__(stacks, *args, **options)
        for name, stack in stacks.items() if self.start_rank else ():
            linear, _, part = name.rpartition(".")
            axis = 1 if part == "down" else 2
            shape = [*stack.shape[:axis], self.start_rank, *stack.shape[axis + 1 :]]
            self.register_buffer(self._name_start(linear, part), stack.new_zeros(shape))

    @staticmethod
    def _name_start(linear: str, part: str) -> str:
        return f"{linear}.start_{part}".replace(".", "__")

    @property
    def linears(self) -> list[str]:
        """Names of the linear layers in the base layer."""
        return [name.removesuffix(".down") for name in self.names if name.endswith(".down")]

    def _get_factors(self, linear: str) -> tuple[Tensor, Tensor]:
        """Return (down, up) of the start and of the trained change, with `up` times the scale."""
        down, up = (self.get_parameter(self.names[f"{linear}.{part}"]) for part in ("down", "up"))
        up = up * self.scale
        if not self.start_rank:
            return down, up
        start = (self.get_buffer(self._name_start(linear, part)) for part in ("down", "up"))
        first_down, first_up = (each.to(down.dtype) for each in start)
        return torch.cat([first_down, down], dim=1), torch.cat([first_up, up], dim=2)

    def get_changes(self, base_layer: nn.Module) -> dict[str, WeightChange]:
        found = {linear: self._get_factors(linear) for linear in self.linears}
        return {
            linear: WeightChange(down=down[0].detach().float(), up=up[0].detach().float())
            for linear, (down, up) in found.items()
        }

    def start_expert(self, expert: int, changes: Mapping[str, WeightChange]) -> None:
        for linear, change in changes.items():
            if change.rank > self.start_rank:
                raise ValueError(
                    f"{linear} was changed by rank {change.rank}, and start_rank of its Copies is "
                    f"{self.start_rank}: give at least {change.rank}"
                )
            if change.bias is not None and change.bias.any():
                raise ValueError(f"{linear} has a trained bias: start Copies(trained='full') of it")
            down, up = (self.get_buffer(self._name_start(linear, part)) for part in ("down", "up"))
            down[expert, : change.rank] = change.down.to(down)
            up[expert, :, : change.rank] = change.up.to(up)

    def stack_weights(self, base_layer: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        stacks = {}
        for linear in self.linears:
            down, up = self._get_factors(linear)
            weight = base_layer.get_parameter(f"{linear}.weight")
            stacks[f"{linear}.weight"] = (weight + up @ down).to(dtype)
        return stacks

    def run_fused(
        self, structure: MLPStructure, base_layer: nn.Module, x: Tensor, gates: Tensor, traced: bool
    ) -> mlp.Outputs:
        linears = {name: base_layer.get_submodule(name) for name in structure.maps}
        maps = [mlp.StackedLowRank(m, *self._get_factors(name)) for name, m in linears.items()]
        form = mlp.apply_low_rank_mlp_dense if traced else mlp.apply_low_rank_mlp
        return form(x, gates, maps, base_layer.get_submodule(structure.activation))
