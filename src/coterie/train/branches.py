"""The stages of a recipe for the tasks of a run: branches by modality, and each stage's tasks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from coterie.annotations import format_suggestions
from coterie.recipe import Recipe
from coterie.stage import Stage
from coterie.stage_order import list_branches
from coterie.tasks.task_set import TaskSet


def resolve_branches(recipe: Recipe, tasks: TaskSet) -> Recipe:
    """Return the recipe with a branch for each modality of the tasks, and with absolute paths.

    Raises ValueError for a stage of a task that there is not, for several branches at the end, of
    which none is the result, and for fewer experts than branches.
    """
    stages = [each for stage in recipe.stages for each in split_by_modality(stage, tasks)]
    for stage in stages:
        for name in (*stage.tasks, *stage.task_shares):
            if name not in tasks.names:
                raise ValueError(
                    f"stage {stage.name!r} is trained on task {name!r}"
                    f"{format_suggestions(name, tasks.names)}: there are {', '.join(tasks.names)}"
                )
    recipe = replace(recipe, stages=tuple(map(make_paths_absolute, stages)))
    check_end(recipe)
    return recipe


def split_by_modality(stage: Stage, tasks: TaskSet) -> Iterator[Stage]:
    """Yield the stage, or a branch of it for each modality, or combination of modalities."""
    if not stage.by_modality:
        yield stage
        return
    for modality, names in group_by_modality(tasks.find_modalities()).items():
        yield replace(stage, name=f"{stage.name}-{modality}", tasks=names, by_modality=False)


def group_by_modality(modalities: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return "text", "image", "audio-image" ... -> the tasks of exactly these, in their order."""
    groups: dict[str, tuple[str, ...]] = {}
    for task, found in modalities.items():
        key = "-".join(sorted(found)) or "text"
        groups[key] = (*groups.get(key, ()), task)
    return groups


def make_paths_absolute(stage: Stage) -> Stage:
    """Return the stage with absolute folders of other runs, which are valid everywhere."""
    given = (stage.start_from, stage.adapter_from, *stage.experts_from)
    found = tuple(str(Path(each).expanduser().absolute()) if each else "" for each in given)
    if found == given:
        return stage
    start, adapter, *experts = found
    return replace(stage, start_from=start, adapter_from=adapter, experts_from=tuple(experts))


def check_end(recipe: Recipe) -> None:
    """Raise ValueError if a recipe ends in several branches, or has more branches than experts."""
    stages, last = recipe.stages, len(recipe.stages) - 1
    if stages[last].init == "branch" and len(ends := list_branches(stages, last + 1)) > 1:
        names = ", ".join(stages[number].name for number in ends)
        raise ValueError(
            f"recipe {recipe.name!r} ends in the branches {names}, none of which is the result: "
            "give tasks of one modality, or a stage that assembles the branches"
        )
    for number, stage in enumerate(stages):
        given = len(stage.experts_from) or len(list_branches(stages, number))
        fewest = min([each.num_experts for each in recipe.mixtures if each.gate], default=0)
        if stage.init == "assemble" and fewest < given:
            raise ValueError(
                f"stage {stage.name!r} starts experts from {given} models, and recipe "
                f"{recipe.name!r} has {fewest}: give at least {given} (--set experts={given})"
            )


def find_datasets(stage: Stage, names: Sequence[str], count: int) -> list[int]:
    """Return the numbers of the data sets, out of `count`, that a stage is trained on.

    Raises ValueError for a stage of some tasks where all tasks share one data set.
    """
    if not stage.tasks:
        return list(range(count))
    if count != len(names):
        raise ValueError(
            f"stage {stage.name!r} is of tasks {', '.join(stage.tasks)} alone, and all tasks share "
            "their samples here: leave the stage's tasks out"
        )
    return [number for number, name in enumerate(names) if name in stage.tasks]
