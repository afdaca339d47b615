"""How the page came about: seeds, data, model, versions, machine, date."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from coterie.report.systems import System
from coterie.train.made_on import machine, versions


def facts(found: Sequence[System]) -> tuple[tuple[str, str], ...]:
    """Pairs of a name and what is to be said of it."""
    runs = [run for system in found for run in system.runs]
    recipes = [run.recipe for run in runs if run.recipe]
    seeds = "; ".join(f"{each.name}: {told(each.seeds)}" for each in found if each.seeds)
    pairs = (
        ("Model", told(dict.fromkeys(recipe.get("base") for recipe in recipes))),
        ("Tasks", told(dict.fromkeys(name for run in runs for name in run.task_names))),
        ("Seeds", seeds),
        ("Precision", told(dict.fromkeys(recipe.get("precision") for recipe in recipes))),
        ("Runs", told(run.path for system in found for run in system.runs)),
        ("Trained on", told(dict.fromkeys(trained_on(found)))),
        ("Page written", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Page written on", machine()),
        ("Page written with", ", ".join(versions())),
    )
    return tuple((name, text) for name, text in pairs if text)


def told(values: Any) -> str:
    """With commas; empty for nothing."""
    return ", ".join(str(value) for value in values if value is not None)


def trained_on(found: Sequence[System]) -> Iterator[str]:
    """Machine, device and versions of each start of each run, where the run has noted them."""
    for system in found:
        for run in system.runs:
            for line in run.made_on:
                held = line.get("versions")
                named = held if isinstance(held, list) else ()
                yield told([line.get("machine"), line.get("device"), *named])
