"""The systems of a study: the mixtures, and baselines of the same size at the same layers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from coterie.experts.base import Experts
from coterie.experts.lora import Lora
from coterie.file_names import check_names_differ
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.recipes import dense, mod_squad, moelora, shared_lora, single_task
from coterie.study.remedies import REMEDIES, make_remedies
from coterie.tasks.task_set import TaskSet
from coterie.train.config import RunConfig
from coterie.train.named_recipes import find_recipe

ALONE = "single_task"
"""The baseline that has a run for each task."""


def choose_systems(
    recipes: Sequence[Recipe | str | Path] | None,
    tasks: TaskSet,
    load_base: Callable[[], Any] | None = None,
) -> dict[str, Recipe]:
    """Return the systems by name, the baseline first.

    Args:
        recipes: mixtures, by anything that `coterie.train` takes, or "remedies", which stands for
            those of `make_remedies`; None for the recommended one.
        tasks: decide which baselines there are, and which mixture is recommended.
        load_base: loads the base model, to whose layers the remedies are fitted.

    Raises ValueError for two recipes of one name, or one that is a baseline already.
    """
    is_dense = not fits(moelora(), tasks)
    if recipes is None:
        recipes = [mod_squad() if is_dense else moelora()]
    mixtures = tuple(expand_remedies(recipes, tasks, load_base))
    if not mixtures:
        raise ValueError("recipes: there are none: give one or more, such as moelora")
    found = (*(make_dense_baselines() if is_dense else make_baselines(mixtures[0])), *mixtures)
    names = [recipe.name for recipe in found]
    what = f"recipes, of which {names[0]} and {names[1]} are always part of a study"
    check_names_differ(names, what, kind="recipe")
    return dict(zip(names, found, strict=True))


def expand_remedies(
    recipes: Sequence[Recipe | str | Path], tasks: TaskSet, load_base: Callable[[], Any] | None
) -> Iterator[Recipe]:
    """Yield the recipes, with all remedies in place of their common name."""
    for recipe in recipes:
        if recipe != REMEDIES:
            yield find_recipe(recipe)
            continue
        tasks.check_recipe(moelora())
        if load_base is None:
            raise ValueError(f"recipes: {REMEDIES!r} are fitted to a base model: give one")
        yield from make_remedies(load_base(), tasks.names)


def load_base(base: str, tasks: TaskSet, settings: Mapping[str, Any], device: torch.device) -> Any:
    """Load the base model as all runs of a study do."""
    config = RunConfig(recipe=shared_lora(), base=base, tasks=tasks, **settings)
    return config.load_base(device).model


def fits(recipe: Recipe, tasks: TaskSet) -> bool:
    """Return whether a recipe can be trained on the tasks."""
    try:
        tasks.check_recipe(recipe)
    except ValueError:
        return False
    return True


def make_baselines(recipe: Recipe) -> tuple[Recipe, Recipe]:
    """Return one LoRA for all tasks and one for each, both as large as the recipe's experts.

    Of a recipe with experts of another kind than LoRA, they are those of `coterie.recipes`.
    """
    mixtures = [make_lora(each) for each in recipe.mixtures]
    kept = tuple(each for each in mixtures if each is not None)
    if not kept or len(kept) < len(mixtures):
        return shared_lora(), single_task()
    return replace(shared_lora(), mixtures=kept), replace(single_task(), mixtures=kept)


def make_lora(mixture: Mixture) -> Mixture | None:
    """Return one LoRA of the experts' ranks together, with scale 2; None for other experts."""
    rank = sum(map(get_rank, (*mixture.kinds, *([mixture.shared] if mixture.shared else []))))
    if not mixture.main.is_low_rank:
        return None
    return Mixture(at=mixture.at, experts=Lora(ranks=(rank,), alpha=2.0 * rank), gate=None)


def get_rank(experts: Experts) -> int:
    """Return the sum of the ranks; 0 for experts that have none."""
    return sum(experts.ranks) if isinstance(experts, Lora) else 0


def make_dense_baselines() -> tuple[Recipe, Recipe]:
    """Return the training of a whole base model, on all tasks and on each alone."""
    return dense(), replace(dense(), name=ALONE)
