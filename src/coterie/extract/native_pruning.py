"""The experts of a language model's mixture that one task uses, for the "native" format."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from coterie.extract.expert_selection import (
    LayerUse,
    compute_lost_choices,
    select_experts_to_keep,
)
from coterie.extract.native_mixture import NativeMixture
from coterie.extract.source import ExtractRequest, read_usage_from_run

Stay = dict[str, tuple[int, ...]]
"""MLP -> indices of the experts that remain."""


def choose_experts(request: ExtractRequest, mixtures: Mapping[str, NativeMixture]) -> Stay:
    """Return the remaining experts: all, or those that the task uses if pruning is asked for.

    All layers of a native class have as many experts as the layer that needs most: where fewer are
    above the threshold, the next most used remain, too.

    Raises ValueError if the usage is unknown, or removing experts changes the others' weights.
    """
    if request.pruning is None:
        return {name: tuple(range(len(each.router))) for name, each in mixtures.items()}
    if not all(each.settings.sums_to_one for each in mixtures.values()):
        raise ValueError(
            "format='native' prunes mixtures with TopK(normalize='selected') alone: in a softmax "
            "over all experts, removing some raises the weights of the others"
        )
    use, threshold = find_usage(request), request.pruning.threshold
    chosen = {}
    for name, each in mixtures.items():
        chosen[name] = use.get(name, {}).get("chosen", ())
        if len(chosen[name]) != len(each.router):
            raise ValueError(
                f"use has {len(chosen[name])} shares for {name}, which has "
                f"{len(each.router)} experts: give what `coterie evaluate` measured on this model"
            )
    active = next(iter(mixtures.values())).settings.active
    most = max(len(select_experts_to_keep(each, active, threshold)) for each in chosen.values())
    return {name: find_most_used(each, most) for name, each in chosen.items()}


def find_most_used(chosen: Sequence[float], count: int) -> tuple[int, ...]:
    """Return the indices of the `count` most chosen experts, ties in order."""
    order = sorted(range(len(chosen)), key=lambda number: (-chosen[number], number))
    return tuple(sorted(order[:count]))


def find_usage(request: ExtractRequest) -> Mapping[str, LayerUse]:
    """Return the task's usage by layer, as given or as the run's evaluation wrote it."""
    if isinstance(request.use, Mapping):
        return request.use
    found = None if request.run is None else read_usage_from_run(request.run, request.task)
    if not found:
        raise ValueError(
            "format='native' needs to know which experts the task uses: run `coterie evaluate` "
            "first, or give use="
        )
    return found


def keep_experts(mixture: NativeMixture, stay: Sequence[int]) -> NativeMixture:
    """Return the mixture with these experts alone."""
    rows = list(stay)
    return replace(
        mixture,
        settings=replace(mixture.settings, experts=len(rows)),
        router=mixture.router[rows],
        routed={name: each[rows] for name, each in mixture.routed.items()},
    )


def describe_pruning(request: ExtractRequest, stay: Stay) -> dict[str, Any]:
    """Return what was removed, for the report; empty without pruning."""
    if request.pruning is None:
        return {}
    kept = {name: list(numbers) for name, numbers in stay.items()}
    return {
        "threshold": request.pruning.threshold,
        "kept": kept,
        "choices_lost": compute_lost_choices(find_usage(request), kept),
    }
