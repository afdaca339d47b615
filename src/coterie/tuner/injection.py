"""Finds the modules that mixtures name, and refuses unsupported ones before the model changes."""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from torch import nn
from torch.distributed.tensor import DTensor

from coterie.families.base import ModelFamily, find_family
from coterie.mixture import Mixture
from coterie.modalities.base import find_tower_modalities


@dataclass(kw_only=True)
class InjectionPlan:
    """The modules that get a mixture.

    Attributes:
        sites: module name -> its mixture.
        mixture_index: module name -> position of that mixture.
        get_tower: function from a module name to its part of the model.
        led_groups: tie groups that have a layer with a gate already.
    """

    sites: dict[str, Mixture] = field(default_factory=dict)
    mixture_index: dict[str, int] = field(default_factory=dict)
    get_tower: Callable[[str], str]
    led_groups: set[str] = field(default_factory=set)


def plan_injection(mixtures: Iterable[Mixture], model: nn.Module) -> InjectionPlan:
    """Find the modules of every mixture.

    Raises ValueError for a name without a match or used twice.
    """
    family = find_family(model)
    plan = InjectionPlan(get_tower=family.get_tower if family is not None else lambda name: "text")
    modules = _list_base_modules(model)
    for position, mixture in enumerate(mixtures):
        for name in _match_names(mixture, modules, family, model):
            if name in plan.sites:
                raise ValueError(
                    f"mixtures {plan.mixture_index[name]} and {position} both sit at {name}: "
                    "give each its own modules"
                )
            plan.sites[name] = mixture
            plan.mixture_index[name] = position
    for name in plan.sites:
        inside = next((other for other in plan.sites if name.startswith(other + ".")), None)
        if inside is not None:
            raise ValueError(
                f"mixture {plan.mixture_index[inside]} replaces {inside}, which holds {name} of "
                f"mixture {plan.mixture_index[name]}: give each its own modules"
            )
    order = {name: position for position, name in enumerate(modules)}
    plan.sites = dict(sorted(plan.sites.items(), key=lambda item: order[item[0]]))
    return plan


def _list_base_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return the base model's modules by their own names, without the wrappers of adapters."""
    return {
        name: module
        for name, module in model.named_modules()
        if name and ".base_layer" not in name and ".coterie_" not in name
    }


def _match_names(
    mixture: Mixture, modules: dict[str, nn.Module], host: ModelFamily | None, model: nn.Module
) -> list[str]:
    family = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
    if isinstance(mixture.at, tuple):
        missing = [name for name in mixture.at if name not in modules]
        if missing:
            raise ValueError(
                f"at={missing[0]!r} is no module of {family}{_suggest_names(missing, modules)}"
            )
        return _filter_supported(mixture, list(mixture.at), modules)
    pattern = mixture.at
    if is_role(pattern):
        if host is None:
            raise ValueError(
                f"at={pattern!r} is a role, and coterie does not know the roles of {family}: give "
                "a regular expression over its module names, e.g. "
                r"at=r'.*\.mlp\.(gate|up|down)_proj'"
            )
        if pattern not in host.roles:
            raise ValueError(
                f"at={pattern!r}: {family} has no such role; it has {', '.join(host.roles)}"
            )
        role = host.roles[pattern]
        pattern = role.linears if mixture.main.attaches_to == "linears" else role.block
    try:
        found = [name for name in modules if re.fullmatch(pattern, name)]
    except re.error as error:
        raise ValueError(f"at={pattern!r} is no regular expression: {error}") from error
    if not found:
        raise ValueError(
            f"at={mixture.at!r} matches no module of {family}{_suggest_names([pattern], modules)}"
        )
    return _filter_supported(mixture, found, modules)


def is_role(at: str) -> bool:
    """Return whether `at` has the form of a role: a tower's attention or MLP, or a connector."""
    towers = ("text", *find_tower_modalities())
    return at == "connector" or (
        at.partition(".")[0] in towers and at.partition(".")[2] in ("attn", "mlp")
    )


def _filter_supported(
    mixture: Mixture, names: list[str], modules: dict[str, nn.Module]
) -> list[str]:
    """Return `names`. Raises ValueError if the experts cannot be at one of them."""
    wants_linear = mixture.main.attaches_to == "linears"
    for name in names:
        if _is_linear(modules[name]) != wants_linear:
            kind = type(mixture.main).__name__
            wanted = "linear layers" if wants_linear else "whole blocks"
            raise ValueError(
                f"at={mixture.at!r} matches {name}, a {type(modules[name]).__name__}; {kind} "
                f"experts sit at {wanted}"
            )
    return names


def _is_linear(module: nn.Module) -> bool:
    return isinstance(getattr(module, "in_features", None), int) or (
        _unwrap_base(module) is not module and _is_linear(_unwrap_base(module))
    )


def _unwrap_base(module: nn.Module) -> nn.Module:
    return getattr(module, "base_layer", module)


def _suggest_names(wanted: list[str], modules: dict[str, nn.Module]) -> str:
    plain = re.sub(r"\\d\+|[\\()^$*+?\[\]|]", "", wanted[0])
    close = difflib.get_close_matches(plain, modules, n=3, cutoff=0.4)
    return f"; near misses: {', '.join(close)}" if close else ""


def get_gate_input_width(mixture: Mixture, base_layer: nn.Module, model: nn.Module) -> int:
    """Return the number of features that the gate reads at `base_layer`."""
    linear = next(each for each in base_layer.modules() if isinstance(
        getattr(each, "in_features", None), int))  # fmt: skip
    width = int(linear.in_features)  # pyright: ignore[reportArgumentType]
    if mixture.gate is None:
        return width
    embedding = getattr(getattr(model, "config", None), "get_text_config", lambda: None)()
    return mixture.gate.get_input_width(width, getattr(embedding, "hidden_size", width))


def validate_sites(plan: InjectionPlan, tasks: Sequence[str], model: nn.Module) -> None:
    """Raise ValueError if the model family does not support a site or the tasks."""
    family = find_family(model)
    problem = (
        None if family is None else family.find_site_problem(list(plan.sites), tasks, model.config)
    )
    if problem is not None:
        raise ValueError(problem)


def reject_tensor_parallel(plan: InjectionPlan, model: nn.Module) -> None:
    """Raise ValueError for a tensor-parallel model, whose layers hold only shards."""
    for name in plan.sites:
        for parameter in model.get_submodule(name).parameters():
            if isinstance(parameter, DTensor):
                raise ValueError(
                    f"{name} is sharded over devices (tensor parallel): coterie's experts need "
                    "whole layers. Load the model without tp_size; data-parallel training works"
                )
