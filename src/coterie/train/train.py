"""`train`: train a recipe on tasks, stage by stage, into a run's folder, or resume it."""

import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Unpack, get_type_hints

import torch

from coterie import distributed, serialization
from coterie.devices import choose_device, choose_precision
from coterie.io import write
from coterie.recipe import Recipe
from coterie.task_file import find_tasks
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.task_set import TaskSet
from coterie.tasks.text.task import TextTask
from coterie.train.config import RunConfig, TrainSettings
from coterie.train.model_settings import check_device
from coterie.train.named_recipes import find_recipe
from coterie.train.run import Run
from coterie.train.run_directory import RunDirectory
from coterie.train.run_entries import check_entries

SETTINGS = tuple(get_type_hints(TrainSettings))


def train(
    recipe: Recipe | str | Path,
    *,
    base: str | Path,
    tasks: TaskSet | TextTask | Sequence[TextTask] | DenseDataset | str | Path,
    out: str | Path,
    resume: bool = False,
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
            start if there is nothing yet.
        progress: None for a bar where standard error is a terminal and for lines elsewhere; True
            for a bar, False for neither.
        device: see `coterie.devices.choose_device`; None for an accelerator where there is one.
        settings: fields of `RunConfig`: seed, steps, batch_size, mix, learning_rate, precision ...
            Without `precision`, it is bfloat16 on a device that multiplies in it, else float32.

    Raises:
        ValueError: an unknown setting or device, rows that cannot be read, a model that does not
            fit the tasks or the recipe, a folder that has a run already, a run of another
            configuration.
        FloatingPointError: the loss is not finite; the last good checkpoint is kept.
        OSError: the disk is full; the last checkpoint is kept.
        KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
    """
    if unknown := [name for name in settings if name not in SETTINGS]:
        near, allowed = serialization.format_suggestions(unknown[0], SETTINGS), ", ".join(SETTINGS)
        raise ValueError(f"train() has no setting {unknown[0]!r}{near}; its settings are {allowed}")
    recipe, tasks, base = find_recipe(recipe), find_tasks(tasks), make_absolute_base(base)
    chosen = choose_device(device)
    settings.setdefault("precision", choose_precision(chosen))
    config = RunConfig(recipe=recipe, base=base, tasks=tasks, **settings)
    return train_from_config(config, out=out, resume=resume, progress=progress, device=chosen)


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
    progress: bool | None = None,
    device: str | torch.device | None = None,
) -> Run:
    """Train from a complete configuration, such as `RunConfig.read("RUN")`; see `train`."""
    folder, chosen = Path(out), choose_device(device)
    check_entries(folder)
    check_device(config.model_options, chosen)
    distributed.init_distributed(chosen)
    # Slow to import: PEFT and DTensor.
    from coterie.train import sharding

    if sharding.is_requested_by_accelerate():
        config = replace(config, sharding="fsdp")
    sharding.check(config)
    distributed.run_on_rank_zero(lambda: _prepare_folder(config, folder, resume=resume))
    run = Run(folder, config)
    if not run.is_finished:
        with distributed.explain_lost_process(), sharding.hide_request():
            _train(run, progress=progress, device=chosen)
    return run


def _train(run: Run, *, progress: bool | None, device: torch.device) -> None:
    """Train the stages that remain, and list what was skipped and the machine."""
    # Slow to import: transformers' Trainer. `import coterie` must not load it.
    from coterie.train import environment
    from coterie.train.stage_runner import StageRunner

    make = partial(StageRunner, run, device=device, progress=progress)
    runner = distributed.run_on_all(make)
    bad_rows = chain(*distributed.all_gather_object(runner.bad_rows))
    if distributed.is_rank_zero():
        run.directory.write_bad_rows([*run.read_bad_rows(), *bad_rows])
        if progress is not False and (bad := run.directory.describe_bad_rows()):
            print(bad, file=sys.stderr)
        step = runner.count_finished_steps()
        environment.append_environment(run.directory.environment_file, step=step, device=device)
    runner.train()


def make_absolute_base(base: str | Path) -> str:
    """Return a folder by its absolute path, so that the configuration is valid everywhere."""
    if not isinstance(base, str | Path):
        raise ValueError(describe_loaded_base(base))
    path = Path(base).expanduser()
    return str(path.absolute()) if path.is_dir() else str(base)


def describe_loaded_base(base: Any) -> str:
    """Say why a loaded model is no base of a run, and what to give instead."""
    config = getattr(base, "config", None)  # a transformers model has one, other objects may not
    source = getattr(config, "_name_or_path", "") or "its folder or hub id"
    return (
        f"base is a {type(base).__name__}, and a run stores where its base model is, so that it "
        f"can be loaded again: give {source}, or save the model to a folder by save_pretrained "
        "and give that; to train a loaded model in your own loop, use coterie.graft"
    )


def _prepare_folder(config: RunConfig, folder: Path, *, resume: bool) -> None:
    """Create the folder of a new run, or check that the run in it can be resumed."""
    directory = RunDirectory(folder)
    at = f"out={str(folder)!r} already"
    if not directory.is_run and (folder.is_file() or (folder.is_dir() and any(folder.iterdir()))):
        raise ValueError(f"{at} exists and is not a run: give another folder")
    if not directory.is_run or not directory.is_started:
        # The new configuration may fix what prevented the first step, such as bad rows.
        directory.write_bad_rows([])
        write(directory.config_file, config.dumps())
        return
    if not resume:
        advice = "resume it with resume=True (--resume), or give another folder"
        raise ValueError(f"{at} has a run: {advice}")
    configs = (RunConfig.read(folder), config)
    saved, requested = (serialization.dump(each, name="run") for each in configs)
    if differences := list(_list_differences("", saved, requested)):
        raise ValueError(
            f"the run in {folder} was started with another configuration and cannot be resumed. "
            f"Differences (saved, requested): {'; '.join(differences[:5])}"
            f"{'; ...' if len(differences) > 5 else ''}"
        )


def _list_differences(path: str, one: Any, other: Any) -> Iterator[str]:
    """Yield each difference of two JSON values as "dotted.path: this, that"."""
    match one, other:
        case dict(), dict():
            for key in one | other:
                below = f"{path}.{key}" if path else str(key)
                yield from _list_differences(below, one.get(key), other.get(key))
        case list(), list() if len(one) == len(other):
            for i, (mine, theirs) in enumerate(zip(one, other, strict=True)):
                yield from _list_differences(f"{path}[{i}]", mine, theirs)
        case _ if one != other:
            yield f"{path}: {one!r}, {other!r}"


train.__signature__ = _list_settings()  # pyright: ignore[reportFunctionMemberAccess]
