"""Finds the modules that mixtures name, and refuses unsupported ones before the model changes."""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import nn
from torch.distributed.tensor import DTensor

from coterie.families.base import ModelFamily, find_family
from coterie.mixture import Mixture
from coterie.modalities.base import find_tower_modalities
from coterie.name_patterns import match_names
from coterie.routing.gates.base import Gate
from coterie.tuner.unlisted_family import UnlistedFamily

_LINEAR_LAYERS = "linear layers, which are torch.nn.Linear or a quantised form of it"


@dataclass(kw_only=True)
class InjectionPlan:
    """The modules that get mixtures: name -> positions of them in `mixtures`, often one.

    `led_groups` are the tie groups that have a layer with a gate already.
    """

    mixtures: Sequence[Mixture]
    positions: dict[str, tuple[int, ...]]
    get_tower: Callable[[str], str]
    led_groups: set[str] = field(default_factory=set)

    @property
    def single_positions(self) -> dict[str, int]:
        """`positions` of mixtures that serve all tasks, so that each module has one."""
        return {name: position for name, (position,) in self.positions.items()}


def plan_injection(
    mixtures: Sequence[Mixture], tasks: Sequence[str], model: nn.Module
) -> InjectionPlan:
    """Find the modules of every mixture.

    Raises ValueError for a name without a match or used twice, a tensor-parallel model, and sites
    or tasks that the model's family does not support.
    """
    family = find_family(model)
    # The base model's modules by their own names, without the wrappers of adapters.
    modules = {
        name: module
        for name, module in model.named_modules()
        if name and ".base_layer" not in name and ".coterie_" not in name
    }
    found: dict[str, tuple[int, ...]] = {}
    for position, mixture in enumerate(mixtures):
        for name in _match_names(mixture, modules, family, model):
            for other in found.get(name, ()):
                _check_tasks_differ(mixtures, other, position, name)
            found[name] = (*found.get(name, ()), position)
    positions = {name: found[name] for name in modules if name in found}
    for name in positions:
        _check_site(name, positions, modules)
        for position in positions[name]:
            _check_gate(name, mixtures[position].gate)
    _check_unshared(positions, model)
    _check_unsharded(positions, model)
    if family and (problem := family.find_site_problem(list(positions), tasks, model.config)):
        raise ValueError(problem)
    get_tower = (family or UnlistedFamily(model)).get_tower
    return InjectionPlan(mixtures=mixtures, positions=positions, get_tower=get_tower)


def _check_tasks_differ(mixtures: Sequence[Mixture], one: int, two: int, name: str) -> None:
    """Raise ValueError for two mixtures at one module unless they serve different tasks."""
    first, second = (set(mixtures[each].tasks) for each in (one, two))
    if not (first and second) or first & second:
        raise ValueError(
            f"mixtures {one} and {two} both sit at {name}: give each its own modules, or tasks of "
            "its own"
        )


def _check_site(
    name: str, positions: dict[str, tuple[int, ...]], modules: dict[str, nn.Module]
) -> None:
    parent = modules.get(name.rpartition(".")[0])
    if isinstance(parent, nn.MultiheadAttention):
        raise ValueError(
            f"{name} belongs to a torch.nn.MultiheadAttention, which reads its weight and never "
            "calls it: experts there would never run. Leave it out of `at`"
        )
    outer = next((other for other in positions if name.startswith(other + ".")), None)
    if outer is not None:
        raise ValueError(
            f"mixture {positions[outer][0]} replaces {outer}, which holds {name} of mixture "
            f"{positions[name][0]}: give each its own modules"
        )


def _check_gate(name: str, gate: Gate | None) -> None:
    if gate is None or not (gate.needs_task_ids or gate.decides_per_sample):
        return
    parents = name.split(".")[:-1]
    # JetMoE's mixture of attention heads is called experts, and holds its router, too.
    if "experts" in parents and "router" not in parents:
        raise ValueError(
            f"{name} is in an expert of the base model, which sees the tokens of all samples that "
            f"its own router sends there, so that a {type(gate).__name__} cannot tell whose each "
            "is: use TokenGate or gate=None there, or other places"
        )


def _check_unshared(positions: Iterable[str], model: nn.Module) -> None:
    """Raise ValueError for a module that is in several places: one of them would get experts.

    A block in several places, as in ALBERT, has its modules in one.
    """
    by_module = {model.get_submodule(name): name for name in positions}
    for parent_name, parent in model.named_modules():
        for child_name, child in parent._modules.items():
            name = f"{parent_name}.{child_name}" if parent_name else child_name
            if child in by_module and by_module[child] != name:
                raise ValueError(
                    f"{by_module[child]} is also the module {name}, and only one of them can get "
                    "experts: give each a module of its own, as copy.deepcopy makes"
                )


def _check_unsharded(positions: Iterable[str], model: nn.Module) -> None:
    for name in positions:
        if any(isinstance(each, DTensor) for each in model.get_submodule(name).parameters()):
            from torch.distributed.fsdp import FSDPModule

            advice = "Load the model without tp_size; data-parallel training works"
            if any(isinstance(each, FSDPModule) for each in model.modules()):
                advice = "Call graft before fully_shard, which then shards the experts, too"
            raise ValueError(
                f"{name} is sharded over devices: coterie's experts need whole layers. {advice}"
            )


def _match_names(
    mixture: Mixture, modules: dict[str, nn.Module], family: ModelFamily | None, model: nn.Module
) -> list[str]:
    """Return the names that `at` means. Raises ValueError if the experts cannot be at one."""
    kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
    if isinstance(mixture.at, tuple):
        names = list(mixture.at)
        if missing := [name for name in names if name not in modules]:
            raise ValueError(
                f"at={missing[0]!r} is no module of {kind}{_suggest_names(missing[0], modules)}"
            )
    else:
        pattern = mixture.at
        if is_role(pattern):
            pattern = _find_role_pattern(pattern, mixture.main.attaches_to, family, kind)
        names = match_names(pattern, modules, "at")
        if not names:
            raise ValueError(
                f"at={mixture.at!r} matches no module of {kind}{_suggest_names(pattern, modules)}"
            )
    wants_linear = mixture.main.attaches_to == "linears"
    wrong = next((name for name in names if _is_linear(modules[name]) != wants_linear), None)
    if wrong is not None:
        raise ValueError(
            f"at={mixture.at!r} matches {wrong}, a {type(modules[wrong]).__name__}; "
            f"{type(mixture.main).__name__} experts sit at "
            f"{_LINEAR_LAYERS if wants_linear else 'whole blocks'}"
        )
    return names


def _find_role_pattern(
    role: str, attaches_to: Literal["linears", "block"], family: ModelFamily | None, kind: str
) -> str:
    if family is None:
        raise ValueError(
            f"at={role!r} is a role, and coterie does not know the roles of {kind}: give a regular "
            r"expression over its module names, e.g. at=r'.*\.mlp\.(gate|up|down)_proj'"
        )
    if role not in family.roles:
        raise ValueError(f"at={role!r}: {kind} has no such role; it has {', '.join(family.roles)}")
    found = family.roles[role]
    return found.linears if attaches_to == "linears" else found.block


def is_role(at: str) -> bool:
    """Return whether `at` has the form of a role: a tower's attention or MLP, or a connector."""
    tower, _, block = at.partition(".")
    known = ("text", *find_tower_modalities())
    return at == "connector" or (tower in known and block in ("attn", "mlp"))


def _is_linear(module: nn.Module) -> bool:
    inner = getattr(module, "base_layer", module)
    found = isinstance(getattr(module, "in_features", None), int)
    return found or (inner is not module and _is_linear(inner))


def _suggest_names(wanted: str, modules: dict[str, nn.Module]) -> str:
    plain = re.sub(r"\\d\+|[\\()^$*+?\[\]|]", "", wanted)[:200]  # the search is quadratic
    close = difflib.get_close_matches(plain, modules, n=3, cutoff=0.4)
    return f"; near misses: {', '.join(close)}" if close else ""


def get_gate_input_width(mixture: Mixture, base_layer: nn.Module, model: nn.Module) -> int:
    """Return the number of features that the gate reads at `base_layer`.

    Raises ValueError if it has no linear layer.
    """
    widths = [getattr(each, "in_features", None) for each in base_layer.modules()]
    width = next((width for width in widths if isinstance(width, int)), None)
    if width is None:
        raise ValueError(
            f"{type(base_layer).__name__} has no linear layer, as the stacked experts of a model "
            "that is a mixture itself: use Lora, at linear layers"
        )
    if mixture.gate is None:
        return width
    embedding = getattr(getattr(model, "config", None), "get_text_config", lambda: None)()
    return mixture.gate.get_input_width(width, getattr(embedding, "hidden_size", width))
