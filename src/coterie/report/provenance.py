"""How the page came about: seeds, data, model, versions, machine, date."""

import datetime
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from coterie.report.systems import System

PACKAGES = ("coterie", "torch", "transformers", "peft", "numpy")


def facts(found: Sequence[System]) -> tuple[tuple[str, str], ...]:
    """Pairs of a name and what is to be said of it."""
    recipes = [run.recipe for system in found for run in system.runs if run.recipe]
    seeds = "; ".join(f"{each.name}: {told(each.seeds)}" for each in found if each.seeds)
    pairs = (
        ("Model", told(dict.fromkeys(recipe.get("base") for recipe in recipes))),
        ("Tasks", told(dict.fromkeys(name for recipe in recipes for name in tasks(recipe)))),
        ("Seeds", seeds),
        ("Precision", told(dict.fromkeys(recipe.get("precision") for recipe in recipes))),
        ("Runs", told(run.path for system in found for run in system.runs)),
        ("Page written", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("On", machine()),
        ("With", ", ".join(versions())),
    )
    return tuple((name, text) for name, text in pairs if text)


def told(values: Any) -> str:
    """With commas; empty for nothing."""
    return ", ".join(str(value) for value in values if value is not None)


def tasks(recipe: Mapping[str, Any]) -> Iterator[str]:
    """The names of a run's tasks."""
    held = recipe.get("tasks")
    for task in held if isinstance(held, list) else ():
        if isinstance(task, Mapping):
            yield str(task.get("name", "?"))


def versions() -> Iterator[str]:
    """Of Python and of what decides the numbers."""
    yield f"python {platform.python_version()}"
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def machine() -> str:
    """The machine that writes the page, as far as the system tells."""
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def processor() -> str:
    """The processor's name."""
    at = Path("/proc/cpuinfo")
    if sys.platform == "linux" and at.is_file():
        for line in at.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
