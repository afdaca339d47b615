"""Selection and grouping of a stage's trained parameters, and the mixtures it is grafted with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from peft import PeftModel
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from coterie.families.base import find_family
from coterie.mixture import Mixture
from coterie.name_patterns import match_names
from coterie.stage import TRAINABLE_PARTS, Stage
from coterie.train.sharding import get_local, get_local_rows
from coterie.tuner.layer import CoterieLayer, get_base_parameter_name

ADAPTER_NAME = "default"
ADAPTER_PARTS = {
    "adapter": ".coterie_", "experts": ".coterie_experts", "gates": ".coterie_gate"
}  # fmt: skip
"""Part of `Stage.trains` -> what the names of its parameters contain."""


@dataclass(frozen=True)
class FrozenRows:
    """Rows of a parameter that keep their present values while the others are trained."""

    parameter: nn.Parameter
    rows: slice
    values: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", self._get_rows(self.parameter.detach()).clone())

    def _get_rows(self, values: Tensor) -> Tensor:
        """Return the rows of the parameter or of its gradient: this process's, if sharded."""
        return get_local(values)[get_local_rows(self.parameter, self.rows)]

    def zero_gradient_from_now_on(self) -> None:
        """Set the gradient of these rows to 0 whenever it is computed."""
        if not isinstance(self.parameter, DTensor):
            self.parameter.register_hook(self._zero)
            return

        def zero(parameter: Tensor) -> None:
            assert parameter.grad is not None
            self._get_rows(parameter.grad).zero_()

        self.parameter.register_post_accumulate_grad_hook(zero)  # FSDP calls no other

    def _zero(self, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        gradient[self.rows] = 0
        return gradient

    def restore(self) -> None:
        """Set the rows to their frozen values."""
        self._get_rows(self.parameter.data).copy_(self.values)


@dataclass(frozen=True, kw_only=True)
class TrainableParameters:
    """The parameters that a stage trains.

    Attributes:
        base: names of the trained base parameters, as the grafted model has them.
        frozen_rows: frozen rows of parameters whose other rows are trained.
        learning_rates: learning rates that differ from the stage's, by parameter name.
        undecayed: names of base parameters without weight decay, whatever their axes.
    """

    base: tuple[str, ...]
    frozen_rows: tuple[FrozenRows, ...] = field(repr=False)
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    undecayed: tuple[str, ...] = ()

    def restore(self) -> None:
        """Restore frozen rows, which weight decay changes though their gradient is 0."""
        for each in self.frozen_rows:
            each.restore()

    def zero_frozen_gradients(self) -> None:
        """Set gradients of frozen rows to 0 from now on, before their norm is measured."""
        for each in self.frozen_rows:
            each.zero_gradient_from_now_on()


def make_stage_mixtures(mixtures: Sequence[Mixture], stage: Stage) -> tuple[Mixture, ...]:
    """Return the mixtures to graft, the recipe's if the stage has none of its own.

    A stage without routing has one expert of weight 1 in each.
    """
    mixtures = mixtures if stage.mixtures is None else stage.mixtures
    if stage.routed:
        return tuple(mixtures)
    return tuple(
        replace(each, experts=each.main.make_single(), gate=None, shared=None, blend="add",
                weight_exponent=1)
        for each in mixtures
    )  # fmt: skip


def select_trainable(model: PeftModel, stage: Stage) -> TrainableParameters:
    """Set `requires_grad` of exactly the stage's parameters, and return their names.

    Newly initialised base parameters (`match_new_parameters`) are trained in every stage.
    Raises ValueError for a part or pattern without parameters.
    """
    chosen: dict[str, nn.Parameter] = {}
    for part in stage.trains:
        chosen |= _select_part(part, stage, model)
    chosen |= match_new_parameters(model)
    rates = {
        name: rate
        for part, rate in stage.learning_rates.items()
        for name in _select_part(part, stage, model)
        if name in chosen
    }
    frozen = _freeze_other_rows(model, chosen, set(stage.trains))
    model.requires_grad_(False)
    for parameter in chosen.values():
        parameter.requires_grad_(True)
    base = tuple(name for name in chosen if ".coterie_" not in name)
    matched = {name for pattern in stage.undecayed for name in _match_parameters(pattern, model)}
    undecayed = tuple(name for name in base if name in matched)
    return TrainableParameters(
        base=base, frozen_rows=tuple(frozen), learning_rates=rates, undecayed=undecayed
    )


def group_parameters(
    model: nn.Module, balancing: nn.Module, trained: TrainableParameters, stage: Stage
) -> list[dict[str, Any]]:
    """Return the trained parameters by learning rate and weight decay, for torch's optimizers.

    Parameters of at most one axis (biases, norms) do not decay. The stage's own rate comes first.
    """
    learning_rate, weight_decay = stage.learning_rate, stage.weight_decay
    named = [
        *((name, each, each.ndim > 1 and name not in trained.undecayed)
          for name, each in model.named_parameters()),
        *((name, each, stage.decays_balancing) for name, each in balancing.named_parameters()),
    ]  # fmt: skip
    rates = dict.fromkeys([learning_rate, *trained.learning_rates.values()])
    groups: dict[tuple[float, float], list[nn.Parameter]] = {
        (rate, decay): [] for rate in rates for decay in (weight_decay, 0.0)
    }
    for name, each, decays in named:
        if each.requires_grad:
            rate = trained.learning_rates.get(name, learning_rate)
            groups[rate, weight_decay if decays else 0.0].append(each)
    return [
        {"params": learns, "lr": rate, "weight_decay": decay}
        for (rate, decay), learns in groups.items()
        if learns
    ]


def _select_part(part: str, stage: Stage, model: PeftModel) -> dict[str, nn.Parameter]:
    """Return the parameters of a part, or those that a pattern matches. ValueError for none."""
    if part == "shared":
        found = {name: each for name, each, _ in _find_shared_expert_rows(model)}
    elif part == "connector":
        family = find_family(model.get_base_model())
        found = {
            name: each
            for name, each in _match_parameters(".*", model).items()
            if family and family.is_connector(get_base_parameter_name(name).rpartition(".")[0])
        }
    elif part in ADAPTER_PARTS:
        named = model.named_parameters()
        found = {name: each for name, each in named if ADAPTER_PARTS[part] in name}
    else:
        found = _match_parameters(".*" if part == "host" else part, model)
    if not found:
        raise ValueError(_make_no_match_error(part, stage, model))
    return found


def _match_parameters(pattern: str, model: PeftModel) -> dict[str, nn.Parameter]:
    """Return the base parameters whose names a regular expression matches."""
    base = {
        name: get_base_parameter_name(name)
        for name, _ in model.named_parameters()
        if ".coterie_" not in name
    }
    matched = set(match_names(pattern, dict.fromkeys(base.values()), "pattern"))
    return {name: model.get_parameter(name) for name in base if base[name] in matched}


def match_new_parameters(model: PeftModel) -> dict[str, nn.Parameter]:
    """Return the `new_parameters` of the family: those of single tasks, heads and embeddings."""
    family = find_family(model.get_base_model())
    return {} if family is None else _match_parameters(family.new_parameters, model)


def _make_no_match_error(part: str, stage: Stage, model: PeftModel) -> str:
    config: Any = model.get_base_model().config
    kind, what = config.model_type, f"stage {stage.name!r} trains {part!r}"
    if part in TRAINABLE_PARTS:
        return (
            f"{what}, and {kind} with these mixtures has no such parameters: leave it out of "
            "`trains`, or name them by a regular expression"
        )
    some = ", ".join(map(get_base_parameter_name, list(_match_parameters(".*", model))[:3]))
    return f"{what}, which matches no parameter of {kind}; its parameters are called {some}, ..."


def _find_shared_expert_rows(model: PeftModel) -> Iterator[tuple[str, nn.Parameter, int]]:
    """Yield the parameters that hold a shared expert, with the first of its rows, at the end."""
    for prefix, layer in model.named_modules():
        if not isinstance(layer, CoterieLayer):
            continue
        for number, part in enumerate(layer.get_parts(ADAPTER_NAME)):
            mixture, end = part.site.mixture, f"_{number}" if number else ""
            if mixture.shared is None:
                continue
            found = mixture.main.find_shared_rows(part.experts, mixture.shared)
            for name, rows in found.items():
                full_name = f"{prefix}.coterie_experts{end}.{ADAPTER_NAME}.{name}"
                yield full_name, part.experts.get_parameter(name), rows.start


def _freeze_other_rows(
    model: PeftModel, chosen: dict[str, nn.Parameter], parts: set[str]
) -> list[FrozenRows]:
    """Freeze the rows of shared experts, or of the routed ones, where only the others train."""
    trains_shared, trains_routed = parts & {"shared", "adapter"}, parts & {"experts", "adapter"}
    if trains_shared and trains_routed:
        return []
    return [
        FrozenRows(each, slice(0, start) if trains_shared else slice(start, None))
        for name, each, start in _find_shared_expert_rows(model)
        if name in chosen
    ]
