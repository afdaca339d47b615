"""What every family's test asks: names by role, towers by name, and rows by sample."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from coterie.families.base import ModelFamily, compute_sample_index, find_family
from tests.tiny import Tiny


class Names(NamedTuple):
    """The modules that one role is expected to match."""

    blocks: list[str]
    linears: list[str]


def golden(block: str, *linears: str, count: int = 2) -> Names:
    """Names of `count` like blocks; "{}" in `block` stands for the number of the layer."""
    blocks = [block.format(layer) for layer in range(count)]
    return Names(blocks, [f"{name}.{linear}" for name in blocks for linear in linears])


def known(model: nn.Module) -> ModelFamily:
    """The model's family, which must be known."""
    host = find_family(model)
    assert host is not None
    return host


def matched(model: nn.Module, pattern: str) -> list[str]:
    """Names of the modules that a role's regular expression matches."""
    return [name for name, _ in model.named_modules() if re.fullmatch(pattern, name)]


def by_role(model: nn.Module, host: ModelFamily) -> dict[str, Names]:
    """Role -> names, in alphabetical order."""
    return {
        role: Names(sorted(matched(model, where.block)), sorted(matched(model, where.linears)))
        for role, where in host.roles.items()
        if matched(model, where.linears)
    }


def ordered(names: Mapping[str, Names], prefix: str = "") -> dict[str, Names]:
    """The same in alphabetical order, without `prefix`."""
    return {
        role: Names(*(sorted(name.removeprefix(prefix) for name in group) for group in pair))
        for role, pair in names.items()
    }


def check_names(model: Any, expected: Mapping[str, Names], without_role: set[str]) -> None:
    """Roles match what is expected, with a head and without; all other linears are listed."""
    host = known(model)
    found = by_role(model, host)
    assert found == ordered(expected)
    bare = ordered(expected, prefix=model.base_model_prefix + ".")
    assert by_role(model.base_model, host) == bare
    taken = [name for names in found.values() for name in names.blocks + names.linears]
    assert len(taken) == len(set(taken))
    linears = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert linears - set(taken) == without_role
    for role, names in found.items():
        assert {host.get_tower(name) for name in names.blocks + names.linears} == {
            role.split(".")[0]
        }


def check_rows(tiny: Tiny, names: Sequence[str], pixels: Sequence[slice]) -> None:
    """Change one sample's pixels: what changes in the tower is what the map says is its own.

    Args:
        names: blocks of tower and connector to look at, their input as well as their output.
        pixels: which part of `pixel_values` is each sample's.
    """
    host = known(tiny.model)
    shares = host.count_rows_per_sample("vision", tiny.batch, tiny.model.config)
    before = traced(tiny.model, tiny.batch, names)
    assert len(before) == 2 * len(names)
    for sample, part in enumerate(pixels):
        values = tiny.batch["pixel_values"].clone()
        values[part] *= 1.5  # zeros, which mark images that are padding, stay zeros
        after = traced(tiny.model, {**tiny.batch, "pixel_values": values}, names)
        for place, rows in before.items():
            changed = (rows != after[place]).flatten(1).any(1)
            own = compute_sample_index(shares, len(rows)) == sample
            assert own.any() and not own.all(), place
            assert torch.equal(changed, own), place


def traced(
    model: nn.Module, batch: Mapping[str, Tensor], names: Sequence[str]
) -> dict[tuple[str, str], Tensor]:
    """(name, "in" or "out") -> the first tensor that the module was given or gave."""
    seen: dict[tuple[str, str], Tensor] = {}

    def hook(name: str) -> Any:
        def record(module: nn.Module, given: Any, named: dict[str, Any], result: Any) -> None:
            seen[name, "in"] = first(*given, *named.values())
            seen[name, "out"] = first(result) if torch.is_tensor(result) else first(*result)

        return record

    handles = [
        model.get_submodule(name).register_forward_hook(hook(name), with_kwargs=True)
        for name in names
    ]
    with torch.no_grad():
        model(**batch)
    for handle in handles:
        handle.remove()
    return seen


def first(*values: Any) -> Tensor:
    """The first that is a tensor."""
    return next(value.clone() for value in values if torch.is_tensor(value))
