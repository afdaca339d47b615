"""`train`: a recipe on tasks, stage by stage, into a run's folder, and on from where it stopped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coterie import distributed
from coterie.io import write
from coterie.recipe import RECIPE_FILE, Recipe
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.text.task import TextTask
from coterie.train import bad_rows, metric_log
from coterie.train.config import CONFIG_FIELDS, RunConfig, diff_configs
from coterie.train.run import ADAPTER_FOLDER, PROGRESS_FILE, Run

STARTED_RUN_FILES = (ADAPTER_FOLDER, PROGRESS_FILE, metric_log.LOG_FILE)
"""What a run has of which a step was made; the first one is always told in its log."""
EXPLICIT_ARGUMENTS = ("recipe", "base", "tasks", "pictures")


def train(
    recipe: Recipe,
    *,
    base: str | Path,
    tasks: TextTask | Sequence[TextTask] | DenseDataset,
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
    unknown = [name for name in options if name not in CONFIG_FIELDS or name in EXPLICIT_ARGUMENTS]
    if unknown:
        raise ValueError(
            f"train() has no option {unknown[0]!r}; its options are "
            f"{', '.join(name for name in CONFIG_FIELDS if name not in EXPLICIT_ARGUMENTS)}"
        )
    plan = RunConfig(recipe=recipe, base=_make_absolute(base), **_get_task_fields(tasks), **options)
    return train_from_config(plan, out=out, resume=resume, progress=progress)


def train_from_config(
    config: RunConfig, *, out: str | Path, resume: bool = False, progress: bool | None = None
) -> Run:
    """`train` for a whole plan, such as `Plan.read("RUN/recipe.json")`."""
    folder = Path(out)
    distributed.init_distributed()
    # The first process makes the folder; the others find it.
    opened = distributed.run_on_rank_zero(lambda: _open_run(config, folder, resume=resume))
    run = opened or _open_run(config, folder, resume=True)
    if run.is_finished:
        return run
    # Heavy: transformers' Trainer. `import coterie` must not wait for it.
    from coterie.train import environment, stage_setup
    from coterie.train.callbacks import print_line
    from coterie.train.stage_runner import StageRunner

    lesson = stage_setup.make_task_set(config)
    rows = lesson.load_training_rows()
    staging = StageRunner(run, lesson, rows, progress=progress)
    file = run.folder / bad_rows.BAD_ROWS_FILE
    bad = [row for each in (*rows, *staging.validation) for row in each.bad_rows]
    if distributed.is_rank_zero():
        said = bad_rows.format_summary_line(
            bad_rows.write_bad_rows(file, [*run.read_bad_rows(), *bad]), file
        )
        print_line(said, progress=progress)
        environment.append_environment(run.folder, step=staging.count_finished_steps())
    staging.train()
    return run


def _get_task_fields(tasks: TextTask | Sequence[TextTask] | DenseDataset) -> dict[str, Any]:
    """What is learned, by the field of `Plan` that holds it."""
    match tasks:
        case DenseDataset():
            return {"pictures": tasks}
        case TextTask():
            return {"tasks": (tasks,)}
        case _:
            return {"tasks": tuple(tasks)}


def _make_absolute(base: str | Path) -> str:
    """A folder by its full path, so that the plan holds wherever it is read."""
    path = Path(base).expanduser()
    return str(path.absolute()) if path.is_dir() else str(base)


def _open_run(config: RunConfig, folder: Path, *, resume: bool) -> Run:
    """The folder of a new run, or that of the run that goes on."""
    if not (folder / RECIPE_FILE).is_file():
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise ValueError(f"out={str(folder)!r} is there and is no run: give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / RECIPE_FILE, config.dumps())
        return Run(folder, config)
    before = RunConfig.read(folder)
    if not any((folder / name).exists() for name in STARTED_RUN_FILES):
        # What stood in the way of its first step, such as bad rows, was perhaps mended by the plan.
        bad_rows.write_bad_rows(folder / bad_rows.BAD_ROWS_FILE, [])
        write(folder / RECIPE_FILE, config.dumps())
        return Run(folder, config)
    if not resume:
        raise ValueError(
            f"out={str(folder)!r} has a run already: go on with it by resume=True (--resume), or "
            "give another folder"
        )
    other = diff_configs(before, config)
    if other:
        raise ValueError(
            f"the run in {folder} is of another plan, so it cannot be gone on with. Then, now: "
            + "; ".join(other[:5])
            + ("; ..." if len(other) > 5 else "")
        )
    return Run(folder, before)


__all__ = ["ADAPTER_FOLDER", "train", "train_from_config"]
