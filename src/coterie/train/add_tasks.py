"""`add_tasks`: train new tasks in a run's model while its own tasks stay frozen."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from coterie import distributed
from coterie.balancing.fixed import Fixed
from coterie.families.multitask_vit import MultiTaskViT
from coterie.recipe import Recipe
from coterie.task_file import find_tasks
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.tasks.task_set import Device, TaskSet
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks
from coterie.train.base_growth import LOADING, find_moved_base, find_new_connectors
from coterie.train.config import RunConfig
from coterie.train.frozen_check import check_old_answers
from coterie.train.growth import grow_recipe
from coterie.train.inputs import check_same_base
from coterie.train.named_recipes import find_recipe
from coterie.train.run import Run, make_absolute_base
from coterie.train.settings import TrainSettings
from coterie.train.train import train


def add_tasks(  # noqa: PLR0913  the choices of one call, each by its name
    run: Run | str | Path,
    *,
    tasks: TaskSet | TextTask | Sequence[TextTask] | DenseDataset | str | Path,
    out: str | Path,
    recipe: Recipe | str | Path | None = None,
    base: str | Path | None = None,
    connectors: bool = False,
    like: str | None = None,
    experts: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    device: Device = None,
    **settings: Unpack[TrainSettings],
) -> Run:
    """Add tasks to a run: train what is theirs, beside its own tasks, which stay as they are.

    The new run's model has all tasks, and is a run as any other, to which tasks can be added
    again. The old run's folder is needed only while the new run trains.

    A run of text tasks gets mixtures of the new tasks beside its own, at the same modules: by
    default PathWeave's, a new LoRA, a trained view of each older one, and a gate over all. Rows of
    old tasks pass through the old mixtures alone, so that their logits have the same bits as in
    the old run, in batches of one task, and in mixed batches, as the old run computes a batch of
    this shape with old tasks in place of the new. (Where a `TopK` router sorts tokens by expert,
    the other rows of a batch change how many are multiplied together, and so may change bits.)
    Once trained, all old tensors in the file and the logits of some old rows are compared.

    A dense run gets a gate in every layer, a task embedding and a head of each new task. The old
    tasks' weights are unchanged, so their outputs are bit-identical in forward passes of a single
    task (batches of several tasks may be multiplied in another order).

    Sources: for text, PathWeave (arXiv:2410.20178), see `coterie.recipes.pathweave`. For dense
    tasks, Mod-Squad tunes its pruned models on a new task (`main_pru_tuning.py`). Departs: the
    other tasks stay, and by default only parameters of the new task are trained.

    Args:
        run: the old run, or its folder.
        tasks: the new tasks, as in `coterie.train`. For a dense run, a data set with the old run's
            tasks, in their order, and then the new ones; only labels of the new ones are used.
        out: the new run's folder.
        recipe: text: the new tasks' mixtures and stages; None for `pathweave` at the old mixtures'
            places. A `Bridge` in it gets the older experts of the same `at`; other experts do not
            use them, and may be anywhere.
        base: text: another base model that contains the old one whole, such as one with a further
            encoder for a new modality, or where the old one is now; None for the old one.
        connectors: text: train the connectors that the old base model does not have, too.
        like: dense: the old task whose gates initialise the new ones; None for the mean over all.
        experts: dense: whether the experts are trained too; old tasks' outputs then change.
        resume, progress, device: as in `coterie.train`.
        settings: as in `coterie.train`; the batch size and how rows are read default to the old
            run's, and the precision and the way of loading the model are always the old run's.

    Raises:
        ValueError: as `coterie.train`; a run that is not finished or damaged, one whose base model
            or rows are not there as they were, or a task that it has already;
            for text, experts that replace a block, and a base model that does not contain the old
            one; for a dense run, mixtures without a gate for each task, and a data set whose first
            tasks are not the run's.
        RuntimeError: an old tensor or the logits of an old row changed.
    """
    run = run if isinstance(run, Run) else Run.read(run)
    run.check_adapter()
    _check_loading(run, settings)
    own, given = run.config.tasks, find_tasks(tasks)
    if isinstance(own, DenseTasks) and isinstance(given, DenseTasks):
        _refuse("dense tasks", recipe=recipe, base=base, connectors=connectors)
        new_recipe, extended = _extend_dense(run, own, given, like=like, experts=experts)
        new_base = run.config.base
    elif isinstance(own, TextTasks) and isinstance(given, TextTasks):
        _refuse("text tasks", like=like, experts=experts)
        larger = None if base is None else make_absolute_base(base)
        run = find_moved_base(run, larger)
        _check_old_rows(run)
        new_base = larger or run.config.base
        chosen = None if recipe is None else find_recipe(recipe)
        new_recipe, extended = _extend_text(run, own, given, chosen, new_base, connectors)
    else:
        kinds = f"{type(given).__name__}, and those of {run.folder} are {type(own).__name__}"
        raise ValueError(
            f"tasks are {kinds}: a run grows by tasks of its own kind, text tasks or dense tasks"
        )
    check_same_base(run.directory, run.config)
    new = train(
        new_recipe, base=new_base, tasks=extended, out=out, resume=resume, progress=progress,
        device=device, **_inherit_settings(run.config) | settings,
    )  # fmt: skip
    if isinstance(own, TextTasks) and distributed.is_rank_zero():
        count = check_old_answers(run, new, device=device)
        if progress is not False:
            print(f"old tasks: the logits of {count} rows are bit-equal", file=sys.stderr)
    return new


def _inherit_settings(config: RunConfig) -> TrainSettings:
    """Return the settings by which a model computes, which the old run's become the default of."""
    return {
        "precision": config.precision, "batch_size": config.batch_size,
        "skip_bad_rows": config.skip_bad_rows, "attention": config.attention,
        "quantize": config.quantize, "max_pixels": config.max_pixels,
        "max_length": config.max_length, "packing": config.packing,
    }  # fmt: skip


def _refuse(kind: str, **given: object) -> None:
    """Raise ValueError for an argument that has no meaning for a run of this kind of tasks."""
    for name, value in given.items():
        if value not in (None, False):
            raise ValueError(f"{name}={value!r} is not for {kind}: leave it out")


def _check_loading(run: Run, settings: Mapping[str, Any]) -> None:
    """Raise ValueError for settings by which the old tasks would be computed otherwise."""
    for name in LOADING:
        own = getattr(run.config, name)
        if settings.get(name, own) != own:
            raise ValueError(
                f"{name}={settings[name]!r}, and {run.folder} has {own!r}: its tasks would answer "
                "otherwise; leave it out"
            )


def _check_old_rows(run: Run) -> None:
    """Raise ValueError if the rows of the old tasks are gone: their answers are compared."""
    if missing := run.config.tasks.find_missing_rows("train"):
        raise ValueError(
            f"the tasks of {run.folder} have their rows in {missing}, which is not there, and "
            "their answers are compared: put it back, or give the run as Run.read(folder, "
            "tasks=...) with the tasks' file where it is now"
        )


def _freeze(run: Run, *, initialize_from: str | None = None) -> FrozenTasks:
    folder = str(run.folder.absolute())
    return FrozenTasks(run=folder, names=run.task_names, initialize_from=initialize_from)


def _extend_dense(
    run: Run, own: DenseTasks, given: DenseTasks, *, like: str | None, experts: bool
) -> tuple[Recipe, DenseTasks]:
    inputs = [[sensor.name for sensor in each.dataset.sensors] for each in (given, own)]
    if inputs[0] != inputs[1]:
        raise ValueError(
            f"the data set has the inputs {', '.join(inputs[0])}, and {run.folder} has "
            f"{', '.join(inputs[1])}: give the same ones, in the same order"
        )
    frozen = _freeze(run, initialize_from=like)
    extended = replace(own, dataset=given.dataset, frozen=frozen)
    recipe = make_add_tasks_recipe(run.config.recipe, extended.trained_names, experts=experts)
    return recipe, extended


def _extend_text(
    run: Run,
    own: TextTasks,
    given: TextTasks,
    recipe: Recipe | None,
    base: str,
    connectors: bool,
) -> tuple[Recipe, TextTasks]:
    if not given.names:
        raise ValueError("tasks is empty: give a task or more")
    if known := [name for name in given.names if name in own.names]:
        new = ",".join(name for name in given.names if name not in own.names)
        raise ValueError(
            f"task {known[0]!r} is one of {run.folder} already: give the new ones alone"
            + (f", as in tasks.yaml:{new}" if new else "")
        )
    found = find_new_connectors(run, base)
    if connectors and not found:
        raise ValueError(
            f"connectors=True: {base} has no connectors beside those that the tasks of "
            f"{run.folder} compute with: give base= (--base), such as one with a further encoder, "
            "or leave it out"
        )
    grown = grow_recipe(
        run.config.recipe, recipe, old_tasks=own.names, new_tasks=given.names,
        connectors=found if connectors else (), 
    )  # fmt: skip
    return grown, TextTasks(tasks=(*own.tasks, *given.tasks), frozen=_freeze(run))


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
