"""`train`: a recipe on tasks, stage by stage, into a run's folder, and on from where it stopped."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coterie.data.rows import BadRow
from coterie.dense.rows import DenseSet
from coterie.recipe import FILE, Recipe
from coterie.tasks.task import Task
from coterie.train import together
from coterie.train.plan import FIELDS, Plan, differences
from coterie.train.run import ADAPTER, Run
from coterie.train.whole import write

BAD = "bad_rows.jsonl"
GIVEN = ("recipe", "base", "tasks", "pictures")


def train(
    recipe: Recipe,
    *,
    base: str | Path,
    tasks: Task | Sequence[Task] | DenseSet,
    out: str | Path,
    resume: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Run:
    """Trains a recipe and returns the run, whose folder has all there is to know of it.

    Args:
        recipe: what is grafted, and in what stages it is trained.
        base: the model: a folder, a hub id, or "embedded" for the one `coterie fetch` builds.
        tasks: what it learns; `coterie.tasks.read_tasks` reads them from a tasks.yaml. Or a dense
            data set, whose tasks a vision model learns on the same pictures; see `Plan.vision`.
        out: the run's folder, made if it is not there.
        resume: go on in `out` where a run of the same plan stopped, bit for bit; start if there
            is nothing yet.
        progress: show a bar; None for only where standard error is a terminal.
        options: fields of `Plan`: seed, steps, batch_size, mix, learning_rate, precision, ...

    Raises:
        ValueError: an option that there is not, rows that cannot be read, a model that does not
            fit, a folder that has a run already, a run of another plan.
        FloatingPointError: the loss is no number; the last good checkpoint is kept.
        OSError: the disk is full; the last checkpoint is kept.
        KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
    """
    unknown = [name for name in options if name not in FIELDS or name in GIVEN]
    if unknown:
        raise ValueError(
            f"train() has no option {unknown[0]!r}; its options are "
            f"{', '.join(name for name in FIELDS if name not in GIVEN)}"
        )
    plan = Plan(recipe=recipe, base=_absolute(base), **_named(tasks), **options)
    return follow(plan, out=out, resume=resume, progress=progress)


def follow(
    plan: Plan, *, out: str | Path, resume: bool = False, progress: bool | None = None
) -> Run:
    """`train` for a whole plan, such as `Plan.read("RUN/recipe.json")`."""
    folder = Path(out)
    together.meet()
    # The first process makes the folder; the others find it.
    opened = together.first_does(lambda: _opened(plan, folder, resume=resume))
    run = opened or _opened(plan, folder, resume=True)
    if run.finished:
        return run
    # Heavy: transformers' Trainer. `import coterie` must not wait for it.
    from coterie.train import assembly, made_on
    from coterie.train.staging import Staging

    lesson = assembly.lesson(plan)
    rows = lesson.training_rows()
    if together.is_first():
        note_bad(run.folder, [row for each in rows for row in each.bad])
    staging = Staging(run, lesson, rows, progress=progress)
    if together.is_first():
        made_on.note(run.folder, step=staging.before())
    staging.train()
    return run


def _named(tasks: Task | Sequence[Task] | DenseSet) -> dict[str, Any]:
    """What is learned, by the field of `Plan` that holds it."""
    match tasks:
        case DenseSet():
            return {"pictures": tasks}
        case Task():
            return {"tasks": (tasks,)}
        case _:
            return {"tasks": tuple(tasks)}


def _absolute(base: str | Path) -> str:
    """A folder by its full path, so that the plan holds wherever it is read."""
    path = Path(base).expanduser()
    return str(path.absolute()) if path.is_dir() else str(base)


def _opened(plan: Plan, folder: Path, *, resume: bool) -> Run:
    """The folder of a new run, or that of the run that goes on."""
    if not (folder / FILE).is_file():
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise ValueError(f"out={str(folder)!r} is there and is no run: give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / FILE, plan.dumps())
        return Run(folder, plan)
    if not resume:
        raise ValueError(
            f"out={str(folder)!r} has a run already: go on with it by resume=True (--resume), or "
            "give another folder"
        )
    before = Plan.read(folder)
    other = differences(before, plan)
    if other:
        raise ValueError(
            f"the run in {folder} is of another plan, so it cannot be gone on with. Then, now: "
            + "; ".join(other[:5])
            + ("; ..." if len(other) > 5 else "")
        )
    return Run(folder, before)


def note_bad(folder: Path, bad: Sequence[BadRow]) -> None:
    """Writes rows that were left out to bad_rows.jsonl."""
    if bad:
        write(folder / BAD, "\n".join(json.dumps(vars(row)) for row in bad))


__all__ = ["ADAPTER", "follow", "train"]
