"""The interface of experts: `Experts` is the configuration, `ExpertLayer` has the weights."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.experts.weight_change import WeightChange
from coterie.kernels.dispatch import LOCAL, Dispatcher, TokenGates
from coterie.routing.decision import DeferredRouting, RoutingDecision


class ExpertLayer(nn.Module, ABC):
    """The weights of all experts at one module of the base model.

    Parameters belong to the layer itself, not to submodules: PEFT and transformers find the
    adapter's name only in the last or second-last part of a key.
    """

    dispatcher: Dispatcher = LOCAL
    """See `set_dispatcher`. Kernels that run all experts on all tokens do not use it."""

    @abstractmethod
    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[Any, RoutingDecision]:
        """Return the output in place of `base_layer(x, *args, **kwargs)`, and the decision.

        If the experts are additive, the base layer's own output is part of it.
        """

    def view_older(self, older: Sequence[tuple["Experts", "ExpertLayer"]]) -> None:
        """Take note of the adapter's mixtures of other tasks that are at the module already.

        Only kinds that are views on older experts, as `Bridge`, use them.
        """
        return None


class LowRankFactors(NamedTuple):
    """The experts of one linear layer as low-rank changes of its weight.

    Expert e adds scales[e] * up_e^T down_e, where down_e and up_e are its `ranks[e]` rows of
    `down` and `up`. The always-on expert is the last, if there is one.
    """

    ranks: tuple[int, ...]
    scales: tuple[float, ...]
    down: Float[Tensor, "rank width"]
    up: Float[Tensor, "rank out"]

    def concatenate(
        self, combine_weights: Sequence[float]
    ) -> tuple[Float[Tensor, "rank width"], Float[Tensor, "out rank"]]:
        """Return (A, B) of the equivalent LoRA, in float64 on the CPU, without experts of weight 0.

        A = cat(down_e) and B = cat(weight_e scale_e up_e): no approximation.
        """
        down, up = (half.detach().cpu().double() for half in (self.down, self.up))
        experts = zip(
            down.split(self.ranks), up.split(self.ranks), combine_weights, self.scales, strict=True
        )
        kept = [(low, high * (each * scale)) for low, high, each, scale in experts if each != 0]
        if not kept:
            return down[:0], up[:0].t()
        down, up = (torch.cat(parts) for parts in zip(*kept, strict=True))
        return down, up.t()

    def compute_delta(self, combine_weights: Sequence[float]) -> Float[Tensor, "out width"]:
        """Compute the change of the base layer's weight, in float64 on the CPU."""
        down, up = self.concatenate(combine_weights)
        return up @ down


class Experts(ABC):
    """A kind of expert. Kinds are frozen keyword-only dataclasses with small valid defaults.

    Weights are stacked along the first axis, one entry an expert and a last one for the always-on
    expert. A kind with another layout overrides `find_shared_rows`, `count_parameters` and
    `repeat_weight`.
    """

    attaches_to: ClassVar[Literal["linears", "block"]]
    """Modules of a role that get experts: each linear layer, or the block."""
    is_low_rank: ClassVar[bool] = False
    """Whether each expert is a low-rank change of a weight; see `get_low_rank_factors`."""
    label: ClassVar[str] = ""
    """Name of an expert in `get_names`; the class's name in lower case by default."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of experts to choose from."""

    @property
    def is_additive(self) -> bool:
        """True if the experts' output is added to the base layer's; else it replaces it."""
        return True

    @property
    def uses_base_weights(self) -> bool:
        """False if no weight of the base layer is used any more."""
        return True

    @property
    def is_divisible(self) -> bool:
        """Whether processes can store different experts, and send each the tokens that chose it.

        Then all weights of the layer are stacked by expert, and no expert needs others.
        """
        return False

    @property
    def num_rows(self) -> int:
        """Rows of these experts along the first axis of the stacked weights."""
        return self.count

    @abstractmethod
    def build(self, base_layer: nn.Module, shared: "Experts | None") -> ExpertLayer | None:
        """Return new weights for `base_layer`; None for experts without weights.

        `shared` is one more, always-on expert of the kind. Raises ValueError if the kind does not
        support `base_layer`, naming its class and a kind that does.
        """

    def get_names(self) -> list[str]:
        """Return the experts' names for tables and figures."""
        label = self.label or type(self).__name__.lower()
        return [f"{label} {number + 1}" for number in range(self.count)]

    def get_ranks(self) -> Sequence[int] | None:
        """Return the rank of each expert; None for experts that are no low-rank changes."""
        return None

    def count_parameters(self, layer: nn.Module, shared: "Experts | None") -> list[int]:
        """Count the parameters of each expert, without those that experts have in common.

        A token's active parameters are the total minus these of the experts not chosen for it.
        """
        rows = self.num_rows + (0 if shared is None else shared.num_rows)
        weights = (*layer.parameters(), *layer.buffers())
        stacked = [each for each in weights if each.ndim > 1 and len(each) == rows]
        return [sum(each[0].numel() for each in stacked)] * self.count

    def find_shared_rows(self, layer: nn.Module, shared: "Experts") -> dict[str, slice]:
        """Return parameter name -> the always-on expert's rows; the others are routed experts'."""
        rows, own = self.num_rows + shared.num_rows, slice(self.num_rows, None)
        return {name: own for name, each in layer.named_parameters() if len(each) == rows}

    def make_single(self) -> "Experts":
        """Return the kind with its first expert alone."""
        return replace(self, count=1)  # pyright: ignore[reportArgumentType]  kinds are dataclasses

    def find_copy_problem(self, shared: "Experts | None") -> str | None:
        """Return why the experts and `shared` cannot be copies of one expert; None if they can."""
        return None

    def repeat_weight(self, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """Return a weight of `make_single`, repeated for all experts to `shape`, or ValueError."""
        own, wanted = tuple(weight.shape), tuple(shape)
        if own == wanted:
            return weight
        copies, rest = divmod(wanted[0], own[0])
        if rest or own[1:] != wanted[1:]:
            raise ValueError(f"copies of {own} do not make {wanted}")
        return weight.repeat(copies, *[1] * (weight.ndim - 1))

    def get_low_rank_factors(self, layer: nn.Module) -> LowRankFactors:
        """Return the experts of a layer as low-rank changes of a weight; only if `is_low_rank`."""
        raise NotImplementedError(f"{type(self).__name__} experts are no low-rank changes")

    def get_own_factors(self, layer: nn.Module) -> LowRankFactors:
        """Return `get_low_rank_factors` of the experts that are no views on another layer's."""
        return self.get_low_rank_factors(layer)

    def get_changes(self, layer: nn.Module, base_layer: nn.Module) -> dict[str, WeightChange]:
        """Return what the one expert of a layer changes, by linear layer of the base layer.

        "" is the base layer itself. Raises ValueError for experts that are no change of weights.
        """
        if not self.is_low_rank:
            raise ValueError(
                f"{type(self).__name__} experts are no change of a weight: train Lora or Copies"
            )
        down, up = self.get_low_rank_factors(layer).concatenate((1.0,))
        return {"": WeightChange(down=down.float(), up=up.float())}

    def start_expert(
        self, layer: nn.Module, expert: int, changes: Mapping[str, WeightChange]
    ) -> None:
        """Set the initial weights of an expert to the base layer's with these changes.

        Raises ValueError for a kind whose experts do not start from weights of their own.
        """
        raise ValueError(
            f"{type(self).__name__} experts cannot start from trained models: take Copies"
        )


def get_linear_shape(kind: Experts, base_layer: nn.Module) -> tuple[int, int]:
    """Return the features in and out of a linear layer. Raises ValueError for another module."""
    found = tuple(getattr(base_layer, f"{end}_features", None) for end in ("in", "out"))
    match found:
        case int(width), int(out):
            return width, out
    raise ValueError(
        f"{type(kind).__name__} experts sit at linear layers, not at {type(base_layer).__name__}: "
        "name the linear layers in it, or use a role"
    )


def refuse_shared(kind: Experts, shared: Experts | None) -> None:
    """Raise ValueError for an always-on expert beside a kind that has none."""
    if shared is not None:
        raise ValueError(f"{type(kind).__name__} has no always-on expert: leave shared out")


def init_down(rank: int, width: int) -> nn.Parameter:
    """Return a Kaiming-uniform matrix [rank, width], as torch.nn.Linear initialises its weight."""
    down = nn.Parameter(torch.empty(rank, width))
    nn.init.kaiming_uniform_(down, a=math.sqrt(5))
    return down


def cast_for_autocast(x: Tensor) -> Tensor:
    """Return `x` in the dtype of autocast, if that is on for its device."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def expand_gates(
    decision: RoutingDecision, deferred: DeferredRouting, x: Float[Tensor, "*units width"]
) -> TokenGates:
    """Return the factors of the experts' outputs for every token of `x`."""
    gates = decision.combine_weights
    if deferred.is_uniform:
        gates = gates.reshape(1, -1).expand(math.prod(x.shape[:-1]), -1)
    elif deferred.per_sample:
        gates = gates[:, None].expand(-1, math.prod(x.shape[1:-1]), -1)
    return gates.reshape(-1, gates.shape[-1])


def set_dispatcher(model: nn.Module, dispatcher: Dispatcher) -> None:
    """Set the dispatcher through which all expert layers in a model exchange tokens."""
    for module in model.modules():
        if isinstance(module, ExpertLayer):
            module.dispatcher = dispatcher
