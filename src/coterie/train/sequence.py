"""`train_sequence`: groups of tasks one after another, a run each, as controls of forgetting."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack

import torch

from coterie.recipe import Recipe
from coterie.stage import Stage
from coterie.task_file import find_tasks
from coterie.train.config import RunConfig
from coterie.train.named_recipes import find_recipe
from coterie.train.run import Run, make_absolute_base
from coterie.train.run_directory import RunDirectory
from coterie.train.settings import TrainSettings
from coterie.train.train import SETTINGS, train

STARTS = ("previous", "base")


class SequenceSettings(TrainSettings, total=False):
    """The settings of `coterie.train_sequence`: those of `coterie.train`."""

    resume: bool
    progress: bool | None
    device: str | torch.device | None


def train_sequence(
    recipe: Recipe | str | Path,
    *,
    base: str | Path,
    tasks: Any,
    groups: Sequence[Sequence[str]],
    out: str | Path,
    start: Literal["previous", "base"] = "previous",
    replay: float = 0.0,
    **settings: Unpack[SequenceSettings],
) -> list[Run]:
    """Train on groups of tasks one after another; return a run for each, in `out`/step-1 and so on.

    With the default, each step trains the weights of the one before on its own tasks alone:
    sequential fine-tuning, which forgets. `replay` mixes old tasks in (experience replay, Rolnick
    et al. 2019, arXiv:1811.11682; all old rows are kept). With start="base" each step has an
    adapter of its own, which neither forgets nor transfers. `coterie.measure_forgetting`
    measures all three.

    Args:
        recipe: of one stage, if start="previous"; as in `coterie.train`.
        base, tasks: as in `coterie.train`.
        groups: the names of the tasks that each step adds, each task once; at least two groups.
        out: the folder of the runs' folders.
        start: what a step's weights start from: the step before ("previous"), whose model knows
            all tasks from the first step on, so that tasks to come can be evaluated, too; or new
            weights in the base model ("base"), of the group's tasks alone.
        replay: share of a later step's samples that old tasks have, each as much; in [0, 1).
        settings: of each step, and resume, progress and device, as in `coterie.train`; `steps` is
            that of one group. With `resume`, finished steps are not trained again.

    Raises as `coterie.train`, and ValueError for groups that do not fit the tasks. Rows of all
    steps, and their folders, are checked before the first.
    """
    recipe, found, folder = find_recipe(recipe), find_tasks(tasks), Path(out).expanduser()
    steps = _parse_groups(groups, found.names)
    if start not in STARTS:
        raise ValueError(f"start={start!r}: allowed are {STARTS}")
    if not 0 <= replay < 1:
        raise ValueError(f"replay={replay}: a share of the samples in [0, 1)")
    if start == "base" and replay:
        raise ValueError(
            f"replay={replay} and start='base': an adapter of its own has nothing to forget; leave "
            "one of the two out"
        )
    if start == "previous" and len(recipe.stages) > 1:
        raise ValueError(
            f"recipe {recipe.name!r} has {len(recipe.stages)} stages, and a step goes on where the "
            "one before ended: give a recipe of one stage, such as 'shared_lora', or start='base'"
        )
    folders = [folder / f"step-{number}" for number in range(1, len(steps) + 1)]
    _check_folders(folders, resume=settings.get("resume", False))
    # Slow to import: PEFT and DTensor.
    from coterie.train.datasets import load_rows

    if start == "base":  # its steps read their own rows alone, the last long after the first
        own: Any = {name: each for name, each in settings.items() if name in SETTINGS}
        chosen = found.select([name for names in steps for name in names])
        load_rows(RunConfig(recipe=recipe, base=make_absolute_base(base), tasks=chosen, **own))
    runs: list[Run] = []
    for number, names in enumerate(steps, 1):
        own = recipe
        if start == "previous":
            old = tuple(name for before in steps[: number - 1] for name in before)
            stage = make_step(next(iter(recipe.stages)), names, old, runs, replay=replay)
            own = replace(recipe, stages=(stage,))
        runs.append(
            train(
                own,
                base=base,
                tasks=found if start == "previous" else found.select(names),
                out=folders[number - 1],
                **settings,
            )
        )
    return runs


def make_step(
    stage: Stage, names: tuple[str, ...], old: tuple[str, ...], runs: Sequence[Run], *,
    replay: float,
) -> Stage:  # fmt: skip
    """Return the stage of one step: its own tasks, a share of old ones, and where it starts."""
    replayed = old if replay else ()
    return replace(
        stage,
        tasks=(*replayed, *names),
        task_shares={name: replay / len(replayed) for name in replayed},
        adapter_from=str(runs[-1].folder.absolute()) if runs else "",
    )


def _parse_groups(given: Any, names: Sequence[str]) -> list[tuple[str, ...]]:
    if not isinstance(given, Sequence) or any(
        isinstance(each, str) or not isinstance(each, Sequence) for each in (given, *given)
    ):
        raise ValueError(
            f"groups={given!r}: give a list for each step, such as [['{names[0]}'], ...]"
        )
    groups = [tuple(group) for group in given]
    listed = [name for group in groups for name in group]
    shown = [list(group) for group in groups]
    if len(groups) < 2 or not all(groups):
        raise ValueError(f"groups={shown}: give two groups or more, each of a task or more")
    if repeated := [name for name in listed if listed.count(name) > 1]:
        raise ValueError(
            f"groups={shown}: task {repeated[0]!r} is there twice; give each task once"
        )
    if strange := [name for name in listed if name not in names]:
        raise ValueError(
            f"groups={shown}: there is no task {strange[0]!r}; the tasks are {', '.join(names)}"
        )
    return groups


def _check_folders(folders: Sequence[Path], *, resume: bool) -> None:
    """Raise ValueError, before the first step, for a folder in which a later one cannot train."""
    from coterie.train.resume import check_start

    for directory in map(RunDirectory, folders):
        check_start(directory, resume=resume)
