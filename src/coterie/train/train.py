"""`train`: train a recipe on tasks, stage by stage, into a run's folder, or resume it."""

import inspect
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Unpack, get_args, get_type_hints

import torch

from coterie import distributed
from coterie.annotations import coerce, format_suggestions
from coterie.devices import choose_device, choose_precision
from coterie.recipe import Recipe
from coterie.task_file import find_tasks
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.task_set import TaskSet
from coterie.tasks.text.task import TextTask
from coterie.train.config import RunConfig
from coterie.train.model_settings import check_device
from coterie.train.named_recipes import find_recipe
from coterie.train.run import Run, make_absolute_base
from coterie.train.run_directory import RunDirectory
from coterie.train.run_entries import check_entries
from coterie.train.run_lock import lock_run
from coterie.train.settings import TrainSettings

HINTS = get_type_hints(TrainSettings)
SETTINGS = tuple(HINTS)
NUMBERS = {
    name: hint
    for name, hint in HINTS.items()
    if {*(get_args(hint) or (hint,))} <= {int, float, bool, NoneType}
}
"""Settings that are numbers; `RunConfig` names the allowed values of the others."""


def train(
    recipe: Recipe | str | Path,
    *,
    base: str | Path,
    tasks: TaskSet | TextTask | Sequence[TextTask] | DenseDataset | str | Path,
    out: str | Path,
    resume: bool = False,
    accept_changes: bool = False,
    progress: bool | None = None,
    device: str | torch.device | None = None,
    **settings: Unpack[TrainSettings],
) -> Run:
    """Train a recipe and return the run.

    Args:
        recipe: the mixtures to graft, and the stages to train them in; or a recipe's name, for its
            defaults, such as "moelora"; or a recipe's JSON file or a run's folder.
        base: the base model: a folder, a hub id, or "embedded" for the one `coterie fetch` builds.
        tasks: a task set, or the tasks.yaml file that `coterie.read_tasks` reads; or text tasks; or
            a dense data set, for `DenseTasks` with its default settings.
        out: the run's folder, created if it does not exist.
        resume: continue in `out` where a run of the same configuration stopped, bit for bit;
            start, and say so, if there is nothing yet. With more `steps` than before the last
            stage takes the rest, also of a finished run, at the learning rates of the longer stage.
        accept_changes: resume although the rows, the base model or its tokenizer are not those
            that the run was started with.
        progress: None for a bar where standard error is a terminal and for lines elsewhere; True
            for a bar, False for neither.
        device: see `coterie.devices.choose_device`; None for an accelerator where there is one.
        settings: fields of `RunConfig`: seed, steps, batch_size, mix, learning_rate, precision ...
            Without `precision`, it is bfloat16 on a device that multiplies in it, else float32.

    Raises:
        ValueError: an unknown setting or device, rows that cannot be read, a model that does not
            fit the tasks or the recipe, a folder that has a run already or that another process
            trains in, a run of another configuration, or of rows that changed.
        FloatingPointError: the loss is not finite; the last good checkpoint is kept.
        OSError: the disk is full, or the folder read-only; the last checkpoint is kept.
        KeyboardInterrupt: Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 or SIGXCPU, after a checkpoint was
            written: a `coterie.train.interrupt.StoppedBySignal`.
    """
    if unknown := [name for name in settings if name not in SETTINGS]:
        near, allowed = format_suggestions(unknown[0], SETTINGS), ", ".join(SETTINGS)
        raise ValueError(f"train() has no setting {unknown[0]!r}{near}; its settings are {allowed}")
    for name in NUMBERS.keys() & settings.keys():
        coerce(settings[name], NUMBERS[name], name)
    recipe, tasks, base = find_recipe(recipe), find_tasks(tasks), make_absolute_base(base)
    chosen = choose_device(device)
    settings.setdefault("precision", choose_precision(chosen))
    config = RunConfig(recipe=recipe, base=base, tasks=tasks, **settings)
    return train_from_config(
        config, out=out, resume=resume, accept_changes=accept_changes, progress=progress,
        device=chosen,
    )  # fmt: skip


def _list_settings() -> inspect.Signature:
    """Return the signature of `train` with each setting and its default, for `help()`."""
    signature, fields = inspect.signature(train), inspect.signature(RunConfig).parameters
    explicit = [each for each in signature.parameters.values() if each.name != "settings"]
    return signature.replace(parameters=[*explicit, *(fields[name] for name in SETTINGS)])


def train_from_config(
    config: RunConfig,
    *,
    out: str | Path,
    resume: bool = False,
    accept_changes: bool = False,
    progress: bool | None = None,
    device: str | torch.device | None = None,
) -> Run:
    """Train from a complete configuration, such as `RunConfig.read("RUN")`; see `train`."""
    directory, chosen = RunDirectory(Path(out)), choose_device(device)
    check_entries(directory.folder)
    check_device(config.model_options, chosen)
    distributed.init_distributed(chosen)
    # Slow to import: PEFT, DTensor and transformers' Trainer.
    from coterie.train import expert_parallel, sharding
    from coterie.train.resume import check_free

    if sharding.is_requested_by_accelerate():
        config = replace(config, sharding="fsdp")
    sharding.check(config)
    expert_parallel.check(config)
    # The lock is a file, and none is left in a folder of something else.
    distributed.run_on_rank_zero(partial(check_free, directory))
    with lock_run(directory, "training"):
        prepare = partial(_prepare, config, directory, resume=resume, accept_changes=accept_changes)
        steps, continued_to = distributed.run_on_rank_zero(prepare)
        config = replace(config, steps=steps, continued_to=continued_to)
        if not directory.is_finished:
            with distributed.explain_lost_process(), sharding.hide_request():
                _train(config, directory, progress=progress, device=chosen)
    return Run(directory.folder, config)


def _prepare(
    config: RunConfig, directory: RunDirectory, *, resume: bool, accept_changes: bool
) -> tuple[int | None, int | None]:
    """Prepare the folder of a run, and return the run's length; see `prepare_folder`."""
    from coterie.train.inputs import compute_base_digests
    from coterie.train.resume import check_start, prepare_folder

    check_start(directory, resume=resume)  # before files are read
    digests = config.tasks.compute_rows_digests() | compute_base_digests(config)
    return prepare_folder(config, directory, digests, resume=resume, accept_changes=accept_changes)


def _train(
    config: RunConfig, directory: RunDirectory, *, progress: bool | None, device: torch.device
) -> None:
    """Train the stages that remain, and list what was skipped and the machine."""
    # Slow to import: transformers' Trainer. `import coterie` must not load it.
    from coterie.train import environment
    from coterie.train.callbacks import check_integrations
    from coterie.train.datasets import load_rows
    from coterie.train.stage_runner import StageRunner

    check_integrations(config.report_to)
    rows = distributed.run_on_all(partial(load_rows, config))
    make = partial(StageRunner, config, directory, rows, device=device, progress=progress)
    runner = distributed.run_on_all(make)
    bad_rows = chain(*distributed.all_gather_object(rows.list_bad_rows()))
    if distributed.is_rank_zero():
        directory.write_bad_rows([*directory.read_bad_rows(), *bad_rows])
        if progress is not False:
            bad = directory.describe_bad_rows()
            notices = config.tasks.list_notices(rows.samples.datasets)
            for line in (*filter(None, [bad]), *(f"note: {each}" for each in notices)):
                print(line, file=sys.stderr)
        step = runner.count_finished_steps()
        environment.append_environment(directory.environment_file, step=step, device=device)
    runner.train()


train.__signature__ = _list_settings()  # pyright: ignore[reportFunctionMemberAccess]
