"""`check_stage_order`: which stages may follow which."""

from collections.abc import Sequence

from coterie.file_names import check_names_differ
from coterie.stage import Stage


def check_stage_order(recipe: str, stages: Sequence[Stage]) -> None:
    """Raise ValueError for names that occur twice, and for a stage after one it does not fit."""
    names = [stage.name for stage in stages]
    check_names_differ(names, f"stages of recipe {recipe!r}", kind="stage")
    for before, stage in zip((None, *stages), stages, strict=False):
        what = f"stage {stage.name!r} of recipe {recipe!r}"
        check_copies(before, stage, what)
        check_branches(before, stage, what)


def check_copies(before: Stage | None, stage: Stage, what: str) -> None:
    """Raise ValueError unless copies follow, and alone follow, a stage of routed=False."""
    follows = before is not None and not before.routed
    if (stage.init == "copy") != (follows and stage.routed):
        raise ValueError(
            f"{what}: init='copy' goes with, and only with, a mixture after a stage of routed=False"
        )
    if before is not None and before.routed and not stage.routed:
        lost = f"{before.name!r}, whose experts would be lost"
        raise ValueError(f"{what} has routed=False after {lost}: put it first")


def check_branches(before: Stage | None, stage: Stage, what: str) -> None:
    """Raise ValueError unless branches are followed by branches or by what they are experts of."""
    follows = before is not None and before.init == "branch"
    if before is not None and follows and stage.init not in ("branch", "assemble"):
        raise ValueError(
            f"{what} has init={stage.init!r} after the branch {before.name!r}: give 'assemble'"
        )
    if stage.init == "assemble" and follows == bool(stage.experts_from):
        given = f"experts_from={stage.experts_from!r} and a branch before it is {follows}"
        raise ValueError(f"{what} has init='assemble', {given}: give one of the two")


def list_branches(stages: Sequence[Stage], number: int) -> list[int]:
    """Return the numbers of the branches right before a stage, in order."""
    first = number
    while first and stages[first - 1].init == "branch":
        first -= 1
    return list(range(first, number))


def find_start(stages: Sequence[Stage], number: int) -> int | None:
    """Return the number of the stage whose weights of the base model a stage starts from.

    None for none: a first stage, or one with `start_from` or `adapter_from`.
    """
    skips, before = stages[number].init in ("branch", "assemble"), number - 1
    while skips and before >= 0 and stages[before].init == "branch":
        before -= 1
    elsewhere = stages[number].start_from or stages[number].adapter_from
    return None if elsewhere or before < 0 else before
