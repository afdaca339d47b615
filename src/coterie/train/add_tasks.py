"""`add_tasks`: train new tasks in a run's model while its own tasks stay frozen."""

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from coterie.balancing.fixed import Fixed
from coterie.families.multitask_vit import MultiTaskViT
from coterie.recipe import Recipe
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.train.run import Run
from coterie.train.settings import TrainSettings
from coterie.train.train import train


def add_tasks(
    run: Run | str | Path,
    *,
    tasks: DenseDataset,
    out: str | Path,
    like: str | None = None,
    experts: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    **settings: Unpack[TrainSettings],
) -> Run:
    """Add tasks to a dense run: train a gate in every layer, a task embedding and a head of each.

    The new run's model has all tasks. The old tasks' weights are unchanged, so their outputs are
    bit-identical in forward passes of a single task (batches of several tasks may be multiplied in
    another order). The old run's folder is needed only while the new run trains.

    Source: Mod-Squad tunes its pruned models on a new task (`main_pru_tuning.py`). Departs: the
    other tasks stay, and by default only parameters of the new task are trained.

    Args:
        run: the old run, or its folder.
        tasks: a data set with the old run's tasks, in their order, and then the new ones. Only
            labels of the new ones are used.
        out: the new run's folder.
        like: the old task whose gates initialise the new ones; None for the mean over all tasks.
        experts: whether the experts are trained too; old tasks' outputs then change.
        resume, progress: as in `coterie.train`.
        settings: as in `coterie.train`; precision, attention, batch_size and skip_bad_rows
            default to the old run's.

    Raises as `coterie.train`, and ValueError for a run that is not on a dense data set, whose
    mixtures have no gate for each task, or whose tasks are not the first of `tasks`.
    """
    run = run if isinstance(run, Run) else Run.read(run)
    config = run.config
    if not isinstance(config.tasks, DenseTasks):
        raise ValueError(f"{run.folder} is no run on a dense data set: no task can be added to it")
    old = str(run.folder.absolute())
    frozen = FrozenTasks(run=old, names=config.task_names, initialize_from=like)
    extended = replace(config.tasks, dataset=tasks, frozen=frozen)
    recipe = make_add_tasks_recipe(config.recipe, extended.trained_names, experts=experts)
    inherited: TrainSettings = {
        "precision": config.precision, "batch_size": config.batch_size,
        "skip_bad_rows": config.skip_bad_rows, "attention": config.attention,
    }  # fmt: skip
    return train(
        recipe, base=config.base, tasks=extended, out=out, resume=resume, progress=progress,
        **{**inherited, **settings},
    )  # fmt: skip


def make_add_tasks_recipe(recipe: Recipe, new: tuple[str, ...], *, experts: bool) -> Recipe:
    """Return the old run's mixtures with one stage that trains the new tasks' parameters.

    Routing losses are removed, because they compare tasks.
    """
    parts = (("gates", "experts") if experts else ("gates",)) if recipe.mixtures else ()
    stage = replace(
        recipe.stages[-1], name="add_tasks", trains=(MultiTaskViT.new_parameters, *parts),
        learning_rates={}, init="continue",
    )  # fmt: skip
    name = "+".join((recipe.name, *new))
    return replace(recipe, name=name, losses=(), balancing=Fixed(), stages=(stage,))
