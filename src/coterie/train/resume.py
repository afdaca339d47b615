"""`prepare_folder`: a run's folder before training: a new run, or one that goes on."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from coterie import serialization
from coterie.distributed import print_message
from coterie.io import PARTIAL, write
from coterie.train.config import RunConfig
from coterie.train.finished_stages import read_finished_stages, write_finished_stages
from coterie.train.inputs import CONFIG, list_changes, read_input_digests, write_input_digests
from coterie.train.recovery import recover
from coterie.train.run_directory import RunDirectory

FREE_SETTINGS = ("save_every", "workers", "expert_parallel")
"""Settings that change nothing of what is trained: a run may go on with others."""

Length = tuple[int | None, int | None]
"""`RunConfig.steps` and `RunConfig.continued_to`."""


def prepare_folder(
    config: RunConfig,
    directory: RunDirectory,
    digests: Mapping[str, str],
    *,
    resume: bool,
    accept_changes: bool,
) -> Length:
    """Create the folder of a new run, or check that the run in it can go on, and return its length.

    Args:
        config: what is to be trained.
        directory: the run's, which `check_start` has passed.
        digests: of the rows and the base model, as they are now; what cannot be found has none.
        resume: whether a run to go on with was expected.
        accept_changes: go on although a digest is not what it was.

    Raises ValueError for a run of another configuration, and one whose rows or base model changed
    since, unless accepted.
    """
    folder = directory.folder
    if not directory.is_started:
        _start(config, directory, digests, resume=resume)
        return config.steps, config.continued_to
    saved, before = RunConfig.read(folder), read_input_digests(directory)
    changes = list_changes(before, digests)
    length = resolve_length(saved, config)
    requested = replace(config, steps=length[0], continued_to=length[1])
    all_known = bool(before) and before.keys() <= {CONFIG, *digests}
    _check_same(directory, saved, requested, is_moved=all_known and not changes)
    if changes and not accept_changes:
        raise ValueError(
            f"{' and '.join(changes)} changed since the run in {folder} was started. Restore them; "
            "train anew in another folder; or go on with what is there now, by "
            "accept_changes=True (--accept-changes)"
        )
    if length[1] != saved.continued_to:
        _open_again(directory, len(config.recipe.stages))
    if requested != saved:
        write(directory.config_file, requested.dumps())
    if requested != saved or changes or not before:
        write_input_digests(directory, digests)
    recover(directory, [stage.name for stage in config.recipe.stages])
    return length


def check_free(directory: RunDirectory) -> None:
    """Raise ValueError for a folder of something else, in which nothing is written then."""
    folder = directory.folder
    if not directory.is_run and (folder.is_file() or directory.has_other_files):
        raise ValueError(
            f"out={str(folder)!r} already exists and is not a run: give another folder"
        )


def check_start(directory: RunDirectory, *, resume: bool) -> None:
    """Raise ValueError for a folder of something else, or a run unless `resume` is given.

    A composed run is never trained further: another one can start from it.
    """
    check_free(directory)
    if directory.is_composed:
        raise ValueError(
            f"out={str(directory.folder)!r} holds runs that were composed, without training that "
            "could go on: give another folder, and start from this run by adapter_from or add_tasks"
        )
    if directory.is_started and not resume:
        advice = "resume it with resume=True (--resume), or give another folder"
        raise ValueError(f"out={str(directory.folder)!r} already has a run: {advice}")


def _start(
    config: RunConfig, directory: RunDirectory, digests: Mapping[str, str], *, resume: bool
) -> None:
    """Write the files of a run without a step, also in the place of one that took none.

    The new configuration may fix what prevented the first step, such as bad rows.
    """
    if resume:
        print_message(f"nothing to resume in {directory.folder}: started anew")
    for left in directory.folder.glob(f"*{PARTIAL}"):
        left.unlink() if left.is_file() else shutil.rmtree(left, ignore_errors=True)
    directory.write_bad_rows([])
    write(directory.config_file, config.dumps())
    write_input_digests(directory, digests)


def resolve_length(saved: RunConfig, requested: RunConfig) -> Length:
    """Return the length of a run that goes on: what was requested, if that is longer.

    A longer `steps` than the run was started with is where it is continued to; so the stages
    before the last keep their steps.
    """
    continued = max(saved.continued_to or 0, requested.continued_to or 0)
    if requested.steps == saved.steps:
        return saved.steps, continued or None
    if requested.steps is not None and requested.steps >= max(continued, saved.steps or 0):
        return saved.steps, requested.steps
    return requested.steps, requested.continued_to


def _open_again(directory: RunDirectory, num_stages: int) -> None:
    """Let a finished run's last stage take more steps, from its last checkpoint on."""
    finished = read_finished_stages(directory)
    if len(finished) == num_stages:
        write_finished_stages(directory, finished[:-1])
    adapter = directory.adapter_folder
    if adapter.is_dir():
        gone = adapter.rename(adapter.with_name(adapter.name + PARTIAL))
        shutil.rmtree(gone, ignore_errors=True)
        stale = [each for each in directory.list_results() if each.is_file()]
        for each in stale:
            each.unlink()
        if stale:
            names = ", ".join(each.name for each in stale)
            print_message(f"removed, as the run is trained further: {names}; evaluate it again")


def _check_same(
    directory: RunDirectory, saved: RunConfig, requested: RunConfig, *, is_moved: bool
) -> None:
    """Raise ValueError if configurations differ, but for paths of files that have only moved."""
    free: dict[str, Any] = {name: getattr(saved, name) for name in FREE_SETTINGS}
    requested = replace(requested, continued_to=saved.continued_to, **free)  # may differ
    both = (serialization.dump(each, name="run") for each in (saved, requested))
    found = [each for each in list_differences("", *both) if not (is_moved and _is_path(each[0]))]
    if found:
        texts = [f"{path}: {mine!r}, {theirs!r}" for path, mine, theirs in found]
        raise ValueError(
            f"the run in {directory.folder} was started with another configuration and cannot be "
            f"resumed. Differences (saved, requested): {'; '.join(texts[:5])}"
            f"{'; ...' if len(texts) > 5 else ''}"
        )


def _is_path(setting: str) -> bool:
    """Return whether a setting names files whose digests are known: the base, or tasks' rows."""
    return setting == "base" or (
        setting.startswith("tasks.") and (setting.endswith(".folder") or ".rows." in setting)
    )


def list_differences(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each difference of two JSON values as its dotted path and both values."""
    match one, other:
        case dict(), dict():
            for key in one | other:
                below = f"{path}.{key}" if path else str(key)
                yield from list_differences(below, one.get(key), other.get(key))
        case list(), list() if len(one) == len(other):
            for i, (mine, theirs) in enumerate(zip(one, other, strict=True)):
                yield from list_differences(f"{path}[{i}]", mine, theirs)
        case _ if one != other:
            yield path, one, other
