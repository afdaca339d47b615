"""`train`: a recipe on tasks, stage by stage, into a run's folder, and on from where it stopped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coterie.dense.rows import DenseSet
from coterie.recipe import FILE, Recipe
from coterie.tasks.task import Task
from coterie.train import journal, left_out, together
from coterie.train.plan import FIELDS, Plan, differences
from coterie.train.run import ADAPTER, STATE, Run
from coterie.train.whole import write

BEGUN = (ADAPTER, STATE, journal.FILE)
"""What a run has of which a step was made; the first one is always told in its log."""
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
    from coterie.train.callbacks import say
    from coterie.train.staging import Staging

    lesson = assembly.lesson(plan)
    rows = lesson.training_rows()
    staging = Staging(run, lesson, rows, progress=progress)
    file = run.folder / left_out.FILE
    bad = [row for each in (*rows, *staging.validation) for row in each.bad]
    if together.is_first():
        said = left_out.told(left_out.note(file, [*run.left_out(), *bad]), file)
        say(said, progress=progress)
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
    before = Plan.read(folder)
    if not any((folder / name).exists() for name in BEGUN):
        # What stood in the way of its first step, such as bad rows, was perhaps mended by the plan.
        left_out.note(folder / left_out.FILE, [])
        write(folder / FILE, plan.dumps())
        return Run(folder, plan)
    if not resume:
        raise ValueError(
            f"out={str(folder)!r} has a run already: go on with it by resume=True (--resume), or "
            "give another folder"
        )
    other = differences(before, plan)
    if other:
        raise ValueError(
            f"the run in {folder} is of another plan, so it cannot be gone on with. Then, now: "
            + "; ".join(other[:5])
            + ("; ..." if len(other) > 5 else "")
        )
    return Run(folder, before)


__all__ = ["ADAPTER", "follow", "train"]
