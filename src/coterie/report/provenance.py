"""How the page came about: seeds, data, model, versions, machine, date."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from coterie.report.systems import ReportSystem
from coterie.train.environment import describe_machine, get_versions


def collect_facts(found: Sequence[ReportSystem]) -> tuple[tuple[str, str], ...]:
    """Pairs of a name and what is to be said of it."""
    runs = [run for system in found for run in system.runs]
    recipes = [run.config for run in runs if run.config]
    seeds = "; ".join(f"{each.name}: {join_names(each.seeds)}" for each in found if each.seeds)
    pairs = (
        ("Model", join_names(dict.fromkeys(recipe.get("base") for recipe in recipes))),
        ("Tasks", join_names(dict.fromkeys(name for run in runs for name in run.task_names))),
        ("Seeds", seeds),
        ("Precision", join_names(dict.fromkeys(recipe.get("precision") for recipe in recipes))),
        ("Runs", join_names(run.path for system in found for run in system.runs)),
        ("Trained on", join_names(dict.fromkeys(describe_environments(found)))),
        ("Page written", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Page written on", describe_machine()),
        ("Page written with", ", ".join(get_versions())),
    )
    return tuple((name, text) for name, text in pairs if text)


def join_names(values: Any) -> str:
    """With commas; empty for nothing."""
    return ", ".join(str(value) for value in values if value is not None)


def describe_environments(found: Sequence[ReportSystem]) -> Iterator[str]:
    """Machine, device and versions of each start of each run, where the run has noted them."""
    for system in found:
        for run in system.runs:
            for line in run.environments:
                held = line.get("versions")
                named = held if isinstance(held, list) else ()
                yield join_names([line.get("machine"), line.get("device"), *named])
