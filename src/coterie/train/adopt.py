"""`adopt`: one more task, or several, for a run on pictures, whose own tasks stay as they are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from coterie.balancing.fixed import Fixed
from coterie.families.multitask_vit import MultiTaskViT
from coterie.recipe import Recipe
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.frozen_tasks import FrozenTasks
from coterie.train.run import Run
from coterie.train.train import train

INHERITED_FIELDS = ("vision", "precision", "batch_size", "skip_bad_rows")


def add_tasks(
    run: Run | str | Path,
    *,
    tasks: DenseDataset,
    out: str | Path,
    like: str | None = None,
    experts: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Run:
    """Trains new tasks of a run: of each a gate in every layer, a vector and a head; no more.

    The new run's model has all tasks, those of the old run with the very weights they had, so
    that their answers are the same bits: in passes of one task at a time, as a batch of more
    tasks may be multiplied in another order. Its folder needs the old one's only while it trains.

    Source: Mod-Squad tunes its pruned models on a new task (`main_pru_tuning.py`). Departs: the
    other tasks stay, and by default only what is the new task's trains.

    Args:
        run: the old run, or its folder.
        tasks: a data set with the old run's tasks, in their order, and then the new ones. Only
            labels of the new ones are learned from.
        out: the new run's folder.
        like: the old task whose gates the new ones start as; None for the mean of all.
        experts: whether the experts learn too; old tasks' answers then change.
        resume, progress: as in `coterie.train`.
        options: as in `coterie.train`; vision, precision, batch_size and skip_bad_rows are the
            old run's where they are not given, and the stage is its last.

    Raises as `coterie.train`, and ValueError for a run that is not on pictures, whose mixtures
    have no gate for each task, or whose tasks are not the first of `tasks`.
    """
    run = run if isinstance(run, Run) else Run.read(run)
    plan = run.config
    if plan.pictures is None:
        raise ValueError(f"{run.folder} is no run on a dense data set: no task can be added to it")
    adopts = FrozenTasks(
        run=str(run.folder.absolute()), frozen_tasks=plan.task_names, initialize_from=like
    )
    names = tuple(task.name for task in tasks.tasks)
    adopts.check(names)
    recipe = make_add_tasks_recipe(plan.recipe, adopts.list_new_tasks(names), experts=experts)
    given = {name: getattr(plan, name) for name in INHERITED_FIELDS} | options
    return train(recipe, base=plan.base, tasks=tasks, out=out, resume=resume, progress=progress,
                 adopts=adopts, **given)  # fmt: skip


def make_add_tasks_recipe(recipe: Recipe, new: tuple[str, ...], *, experts: bool) -> Recipe:
    """The old run's mixtures; its last stage trains gates if there are, vectors and heads.

    Losses on the routing compare tasks, and are left out.
    """
    parts = (("gates", "experts") if experts else ("gates",)) if recipe.mixtures else ()
    stage = replace(
        recipe.stages[-1],
        name="adopt",
        trains=(MultiTaskViT.new_parameters, *parts),
        learning_rates={},
        init="continue",
    )
    name = "+".join((recipe.name, *new))
    return replace(recipe, name=name, losses=(), balancing=Fixed(), stages=(stage,))
