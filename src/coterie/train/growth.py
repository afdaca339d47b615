"""The recipe of a run that grows: the older mixtures for their tasks, and new ones beside them."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from coterie.balancing.fixed import Fixed
from coterie.experts.bridge import Bridge
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.recipes.pathweave import pathweave
from coterie.stage import Stage
from coterie.train.trainable import make_stage_mixtures

TRAINED_PARTS = ("adapter", "experts", "gates", "shared", "connector")
"""What a stage of new tasks may train: nothing that the old tasks compute with."""


def grow_recipe(
    old: Recipe,
    new: Recipe | None,
    *,
    old_tasks: tuple[str, ...],
    new_tasks: tuple[str, ...],
    connectors: Sequence[str] = (),
) -> Recipe:
    """Return the recipe with both systems' mixtures, each for its tasks, and the new one's stages.

    Args:
        old: the recipe of the run that grows.
        new: of the new tasks; None for `pathweave` where the old mixtures are.
        old_tasks, new_tasks: their names.
        connectors: expressions of the base model's parameters that all stages train, too. They
            stand for "connector" in `new`.

    Raises ValueError if the old experts replace blocks, or `new` trains what the old tasks use.
    """
    before = tuple(_restrict(each, old_tasks) for each in list_final_mixtures(old))
    new = make_default_recipe(before) if new is None else new
    after = tuple(
        replace(_bridge(each, find_older(each, before)), tasks=new_tasks) for each in new.mixtures
    )
    _check_places(new, before)
    return Recipe(
        name="+".join((old.name, *new_tasks)),
        role=new.role,
        mixtures=(*before, *after),
        losses=new.losses,
        balancing=new.balancing if len(new_tasks) > 1 else Fixed(),
        stages=tuple(_make_stage(each, new, new_tasks, connectors) for each in new.stages),
        paper=new.paper,
        notes=new.notes,
        departures=new.departures,
    )


def make_default_recipe(before: Sequence[Mixture]) -> Recipe:
    """Return `pathweave` with a mixture wherever an older one is, or at its own default places."""
    recipe, places = pathweave(), dict.fromkeys(each.at for each in before)
    if not places:
        return recipe
    return replace(recipe, mixtures=tuple(replace(recipe.mixtures[0], at=at) for at in places))


def list_final_mixtures(recipe: Recipe) -> tuple[Mixture, ...]:
    """Return the mixtures that a recipe's last stage leaves."""
    return make_stage_mixtures(recipe.mixtures, recipe.stages[-1])


def find_older(mixture: Mixture, before: Sequence[Mixture]) -> list[Mixture]:
    """Return the older mixtures of low-rank experts at the same place."""
    return [each for each in before if each.at == mixture.at and each.main.is_low_rank]


def _restrict(mixture: Mixture, tasks: tuple[str, ...]) -> Mixture:
    """Return an older mixture for its own tasks alone. ValueError if it is at whole blocks."""
    if mixture.main.attaches_to != "linears":
        raise ValueError(
            f"the run has {type(mixture.main).__name__} experts at {mixture.at!r}, which replace a "
            "block of the base model for all tasks: tasks can be added where experts are at "
            "linear layers, as Lora, HydraLora and DualLora are"
        )
    return mixture if mixture.tasks else replace(mixture, tasks=tasks)


def _bridge(mixture: Mixture, older: Sequence[Mixture]) -> Mixture:
    """Return a mixture whose `Bridge` has all older experts; other kinds stay as they are."""
    kind = mixture.main
    if not isinstance(kind, Bridge):
        return mixture
    if not older:  # the paper's first modality: one adapter and no gate
        has_choice = kind.count > 1
        return replace(mixture, experts=kind.new, gate=mixture.gate if has_choice else None)
    ranks = tuple(rank for each in older for rank in _list_ranks(each))
    bridged = replace(mixture, experts=replace(kind, older_ranks=ranks, older_factors=()))
    first = compute_first_weights(bridged)
    mean = sum(first) / len(first)
    factors = tuple(
        weight / (len(older) * mean) for each in older for weight in compute_first_weights(each)
    )
    return replace(bridged, experts=replace(kind, older_ranks=ranks, older_factors=factors))


def _list_ranks(mixture: Mixture) -> tuple[int, ...]:
    """Return the ranks of a mixture's own experts, an always-on one last."""
    if isinstance(mixture.main, Bridge):
        return mixture.main.ranks
    kinds = (mixture.main, *(() if mixture.shared is None else (mixture.shared,)))
    return tuple(rank for kind in kinds for rank in kind.get_ranks() or ())


def compute_first_weights(mixture: Mixture) -> tuple[float, ...]:
    """Compute the weight of each own expert at logits of 0, with the routed ones' mean for each.

    Without a gate it is what the experts always have. A router whose weights are 0 at logits of 0,
    as `Rectified`, counts as one of equal weights that add up to 1.
    """
    logits = torch.zeros(1, mixture.num_logits, dtype=torch.float64)
    weights = mixture.decide(logits).combine_weights[0].tolist()
    routed, rest = weights[: mixture.main.count], weights[mixture.main.count :]
    mean = sum(routed) / len(routed) or 1 / len(routed)
    own = len(_list_ranks(mixture)) - len(rest)
    return (*(mean,) * own, *rest)


def _check_places(new: Recipe, before: Sequence[Mixture]) -> None:
    """Raise ValueError for bridges none of which is where older low-rank experts are."""
    bridges = [each for each in new.mixtures if isinstance(each.main, Bridge)]
    places = list(dict.fromkeys(str(each.at) for each in before if each.main.is_low_rank))
    if bridges and places and not any(find_older(each, before) for each in bridges):
        raise ValueError(
            f"recipe {new.name!r} has bridges at {', '.join(str(each.at) for each in bridges)}, "
            f"and the run's experts are at {', '.join(places)}: give the same places, word for word"
        )


def _make_stage(
    stage: Stage, recipe: Recipe, tasks: tuple[str, ...], connectors: Sequence[str]
) -> Stage:
    """Return a stage of the new tasks alone. Raises ValueError for what cannot be one."""
    for name, is_allowed in (
        ("init", stage.init == "continue"),
        ("routed", stage.routed),
        ("mixtures", stage.mixtures is None),
        ("start_from", not stage.start_from),
        ("adapter_from", not stage.adapter_from),
    ):
        if not is_allowed:
            raise ValueError(
                f"stage {stage.name!r} of recipe {recipe.name!r} has "
                f"{name}={getattr(stage, name)!r}: a run grows by stages that go on with its "
                "mixtures; leave it out"
            )
    if wrong := [part for part in stage.trains if part not in TRAINED_PARTS]:
        raise ValueError(
            f"stage {stage.name!r} of recipe {recipe.name!r} trains {wrong[0]!r}, which the old "
            f"tasks compute with: allowed are {', '.join(TRAINED_PARTS)}"
        )
    trains = [*(part for part in stage.trains if part != "connector"), *connectors]
    if not trains:
        raise ValueError(
            f"stage {stage.name!r} of recipe {recipe.name!r} trains connectors alone: give "
            "connectors=True, and a base model that has others than the old tasks compute with"
        )
    rates = {part: rate for part, rate in stage.learning_rates.items() if part in trains}
    own = tuple(name for name in stage.tasks if name in tasks) or tasks
    return replace(stage, trains=tuple(trains), learning_rates=rates, tasks=own)
