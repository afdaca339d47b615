"""`recover`: damaged files of a run set aside, so that training goes on at the last whole ones."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from coterie.distributed import print_message
from coterie.train import checkpoint
from coterie.train.checksums import CHECKSUMS_FILE, find_damage
from coterie.train.finished_stages import (
    FinishedStage,
    read_finished_stages,
    write_finished_stages,
)
from coterie.train.run_directory import RunDirectory

DAMAGED = ".damaged"


def recover(directory: RunDirectory, stages: Sequence[str]) -> None:
    """Set aside an adapter and checkpoints that are not as they were written, and say so.

    A finished stage whose weights are damaged is unfinished again. Stages are trained again from
    their last whole checkpoint, or from their start, with the same result, bit for bit.
    """
    adapter = directory.adapter_folder
    if adapter.is_dir():
        damage = find_damage(adapter)
        if not damage or not (adapter / CHECKSUMS_FILE).exists():
            return
        _set_aside(adapter, damage, "it is written again")
    noted = read_finished_stages(directory)
    finished = list_in_order(noted, stages)
    while finished and not _is_whole(directory, len(finished) - 1, finished[-1]):
        finished.pop()
    if len(finished) < len(stages):
        set_damaged_aside(directory.checkpoints_folder(len(finished), stages[len(finished)]))
    if finished != noted:
        write_finished_stages(directory, finished)


def list_in_order(noted: Sequence[FinishedStage], stages: Sequence[str]) -> list[FinishedStage]:
    """Return the finished stages that are the recipe's first, by name, each once."""
    by_name = {each.stage: each for each in noted}
    found = []
    for name in stages:
        if name not in by_name:
            break
        found.append(by_name[name])
    return found


def _is_whole(directory: RunDirectory, number: int, done: FinishedStage) -> bool:
    """Return whether a finished stage's weights and last checkpoint are as they were written."""
    folder = directory.checkpoints_folder(number, done.stage)
    set_damaged_aside(folder)
    last = checkpoint.find_latest(folder)
    if last is None or checkpoint.get_step(last) != done.steps:
        return False
    return (directory.folder / done.weights_folder).is_dir()


def set_damaged_aside(folder: Path) -> None:
    """Set aside a stage's checkpoints that are damaged, from the last one to the first whole."""
    before = list(reversed(checkpoint.list_checkpoints(folder)))
    for i, each in enumerate(before):
        damage = find_damage(each) or _find_damage_of_best(each)
        if not damage:
            return
        rest = [earlier for earlier in before[i + 1 :] if not find_damage(earlier)]
        then = f"training goes on at {rest[0].name}" if rest else "the stage is trained again"
        _set_aside(each, damage, then)


def _find_damage_of_best(last: Path) -> str:
    """Return what is wrong with the best weights so far, if a checkpoint says there are some."""
    validation = checkpoint.load_facts(last).get("validation") or {}
    if validation.get("best") is None:
        return ""
    damage = find_damage(last.with_name(checkpoint.BEST_FOLDER))
    return f"the best weights beside it: {damage}" if damage else ""


def _set_aside(folder: Path, damage: str, then: str) -> None:
    target = folder.with_name(folder.name + DAMAGED)
    shutil.rmtree(target, ignore_errors=True)
    folder.rename(target)
    print_message(f"{folder} is damaged ({damage}): it is now {target.name}, and {then}")
