"""Selection of a stage's trained parameters, and of the mixtures it is grafted with."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from coterie.families.base import find_family
from coterie.mixture import Mixture
from coterie.recipe import TRAINABLE_PARTS, Stage
from coterie.tuner.layer import CoterieLayer

ADAPTER_NAME = "default"


@dataclass(frozen=True, kw_only=True)
class FrozenRows:
    """Rows of a parameter that are frozen while the others are trained."""

    parameter: nn.Parameter
    rows: slice
    values: Tensor


@dataclass(frozen=True, kw_only=True)
class TrainableParameters:
    """The parameters that a stage trains.

    Attributes:
        adapter: names of the experts' and gates' trained parameters.
        base: names of the trained base parameters, as the grafted model has them.
        frozen_rows: frozen rows of parameters whose other rows are trained.
        learning_rates: learning rates that differ from the stage's, by parameter name.
        undecayed: names of base parameters without weight decay, whatever their axes.
        decays_balancing: whether the balancing's own parameters have weight decay.
    """

    adapter: tuple[str, ...]
    base: tuple[str, ...]
    frozen_rows: tuple[FrozenRows, ...] = field(repr=False)
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    undecayed: tuple[str, ...] = ()
    decays_balancing: bool = False

    def restore(self) -> None:
        """Restore frozen rows, which weight decay changes though their gradient is 0."""
        for each in self.frozen_rows:
            each.parameter.data[each.rows] = each.values


def make_stage_mixtures(mixtures: Sequence[Mixture], stage: Stage) -> tuple[Mixture, ...]:
    """Return the mixtures to graft: a stage without routing has one expert of weight 1 each."""
    if stage.routed:
        return tuple(mixtures)
    return tuple(
        replace(
            each,
            experts=each.main.make_single(),
            gate=None,
            shared=None,
            blend="add",
            weight_exponent=1,
        )
        for each in mixtures
    )


def select_trainable(model: PeftModel, stage: Stage) -> TrainableParameters:
    """Set `requires_grad` of exactly the stage's parameters, and return their names.

    Newly initialised base parameters (`new_parameters` of the family: heads and task embeddings)
    are trained in every stage.
    Raises ValueError for a part or pattern without parameters.
    """
    parts = _list_parts(model)
    chosen: dict[str, nn.Parameter] = {}
    for part in stage.trains:
        chosen |= _select_part(part, parts, stage, model)
    chosen |= _match_parameters(_list_new_parameters(model), parts["host"]())
    rates = {
        name: rate
        for part, rate in stage.learning_rates.items()
        for name in _select_part(part, parts, stage, model)
        if name in chosen
    }
    frozen = [] if {"shared", "adapter"} & set(stage.trains) else _freeze_shared_rows(model, chosen)
    if "shared" in stage.trains and not {"experts", "adapter"} & set(stage.trains):
        frozen = _freeze_routed_rows(model, chosen)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameter in chosen.values():
        parameter.requires_grad_(True)
    adapter = tuple(name for name in chosen if ".coterie_" in name)
    base = tuple(name for name in chosen if ".coterie_" not in name)
    undecayed = tuple(
        name
        for name in base
        if any(re.fullmatch(pattern, get_base_parameter_name(name)) for pattern in stage.undecayed)
    )
    return TrainableParameters(
        adapter=adapter,
        base=base,
        frozen_rows=tuple(frozen),
        learning_rates=rates,
        undecayed=undecayed,
        decays_balancing=stage.decays_balancing,
    )


def parameter_groups(
    model: nn.Module,
    balancing: nn.Module,
    trained: TrainableParameters,
    *,
    learning_rate: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Return the trained parameters by learning rate and weight decay, for torch's optimizers.

    Parameters of at most one axis (biases, norms) do not decay. The stage's own rate comes first.
    """
    named = [
        *((name, each, each.ndim > 1 and name not in trained.undecayed)
          for name, each in model.named_parameters()),
        *((name, each, trained.decays_balancing) for name, each in balancing.named_parameters()),
    ]  # fmt: skip
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for rate in dict.fromkeys([learning_rate, *trained.learning_rates.values()]):
        for decay in (weight_decay, 0.0):
            groups[rate, decay] = []
    for name, each, decays in named:
        if each.requires_grad:
            rate = trained.learning_rates.get(name, learning_rate)
            groups[rate, weight_decay if decays else 0.0].append(each)
    return [
        {"params": learns, "lr": rate, "weight_decay": decay}
        for (rate, decay), learns in groups.items()
        if learns
    ]


def get_base_parameter_name(name: str) -> str:
    """Return the name that a base parameter had before the graft."""
    return name.removeprefix("base_model.model.").replace(".base_layer", "")


def _list_parts(model: PeftModel) -> dict[str, Callable[[], dict[str, nn.Parameter]]]:
    named = dict(model.named_parameters())

    def having(text: str) -> dict[str, nn.Parameter]:
        return {name: each for name, each in named.items() if text in name}

    def host() -> dict[str, nn.Parameter]:
        return {name: each for name, each in named.items() if ".coterie_" not in name}

    def connector() -> dict[str, nn.Parameter]:
        family = find_family(model.get_base_model())
        if family is None:
            return {}
        return {
            name: each
            for name, each in host().items()
            if family.get_tower(get_base_parameter_name(name).rpartition(".")[0]) == "connector"
        }

    return {
        "adapter": lambda: having(".coterie_"),
        "experts": lambda: having(".coterie_experts."),
        "gates": lambda: having(".coterie_gate."),
        "shared": lambda: {name: each for name, each, _ in _find_shared_expert_rows(model)},
        "connector": connector,
        "host": host,
    }


def _select_part(
    part: str,
    parts: Mapping[str, Callable[[], dict[str, nn.Parameter]]],
    stage: Stage,
    model: PeftModel,
) -> dict[str, nn.Parameter]:
    """Return the parameters of a part, or those that a pattern matches. ValueError for none."""
    found = parts[part]() if part in TRAINABLE_PARTS else _match_parameters(part, parts["host"]())
    if not found:
        raise ValueError(_make_no_match_error(part, stage, model))
    return found


def _list_new_parameters(model: PeftModel) -> str:
    family = find_family(model.get_base_model())
    return "" if family is None else family.new_parameters


def _match_parameters(
    pattern: str, base_parameters: dict[str, nn.Parameter]
) -> dict[str, nn.Parameter]:
    return {
        name: each
        for name, each in base_parameters.items()
        if re.fullmatch(pattern, get_base_parameter_name(name))
    }


def _make_no_match_error(part: str, stage: Stage, model: PeftModel) -> str:
    config: Any = model.get_base_model().config
    family = config.model_type
    if part in TRAINABLE_PARTS:
        return (
            f"stage {stage.name!r} trains {part!r}, and {family} with these mixtures has no such "
            "parameters: leave it out of `trains`, or name them by a regular expression"
        )
    some = ", ".join(
        [get_base_parameter_name(n) for n, _ in model.named_parameters() if ".coterie_" not in n][
            :3
        ]
    )
    return (
        f"stage {stage.name!r} trains {part!r}, which matches no parameter of {family}; its "
        f"parameters are called {some}, ..."
    )


def _find_shared_expert_rows(model: PeftModel) -> list[tuple[str, nn.Parameter, int]]:
    """Return the parameters that hold a shared expert, with the first of its rows, at the end."""
    found = []
    for prefix, layer in model.named_modules():
        if not isinstance(layer, CoterieLayer) or ADAPTER_NAME not in layer.coterie_site:
            continue
        mixture = layer.coterie_site[ADAPTER_NAME].mixture
        if mixture.shared is None:
            continue
        experts = layer.coterie_experts[ADAPTER_NAME]
        for name, rows in mixture.main.find_shared_rows(experts, mixture.shared).items():
            full_name = f"{prefix}.coterie_experts.{ADAPTER_NAME}.{name}"
            found.append((full_name, experts.get_parameter(name), rows.start))
    return found


def _freeze_shared_rows(model: PeftModel, chosen: dict[str, nn.Parameter]) -> list[FrozenRows]:
    return [
        _freeze_rows(each, slice(start, None))
        for name, each, start in _find_shared_expert_rows(model)
        if name in chosen
    ]


def _freeze_routed_rows(model: PeftModel, chosen: dict[str, nn.Parameter]) -> list[FrozenRows]:
    return [
        _freeze_rows(each, slice(0, start))
        for name, each, start in _find_shared_expert_rows(model)
        if name in chosen
    ]


def _freeze_rows(parameter: nn.Parameter, rows: slice) -> FrozenRows:
    return FrozenRows(parameter=parameter, rows=rows, values=parameter.detach()[rows].clone())


def zero_frozen_gradients(kept: Sequence[FrozenRows]) -> list[torch.utils.hooks.RemovableHandle]:
    """Register hooks that set the gradients of frozen rows to 0 before their norm is measured."""

    def hook(rows: slice) -> Callable[[Tensor], Tensor]:
        def masked(gradient: Tensor) -> Tensor:
            gradient = gradient.clone()
            gradient[rows] = 0
            return gradient

        return masked

    return [each.parameter.register_hook(hook(each.rows)) for each in kept]
