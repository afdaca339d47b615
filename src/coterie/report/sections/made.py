"""How the page was made: seeds, data, model, versions, machine, date, configurations."""

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coterie.report.section import ReportContext, Section
from coterie.report.systems import ReportSystem, RunFiles
from coterie.train.environment import describe_machine, get_versions

MAX_CONFIG_CHARACTERS = 40_000


class Made(Section):
    """Facts on the runs and the page, and each system's configuration."""

    title = "How it was made"
    order = 70

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        return {
            "facts": [(name, text) for name, text in list_facts(context.systems) if text],
            "configs": [(each, format_config(each.runs[0])) for each in context.systems],
        }


def list_facts(systems: Sequence[ReportSystem]) -> list[tuple[str, str]]:
    """List names of facts, and their text; empty for what is not known."""
    runs = [run for system in systems for run in system.runs]
    configs = [run.raw_config for run in runs if run.raw_config]
    starts = (line for run in runs for line in run.directory.read_environments())
    seeded = [each for each in systems if each.seeds]
    return [
        ("Model", join_names(config.get("base") for config in configs)),
        ("Tasks", join_names(name for run in runs for name in run.task_names)),
        ("Seeds", "; ".join(f"{each.name}: {join_names(each.seeds)}" for each in seeded)),
        ("Precision", join_names(config.get("precision") for config in configs)),
        ("Runs", join_names(run.directory.folder for run in runs)),
        ("Trained on", join_names(map(describe_start, starts))),
        ("Page written", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Page written on", describe_machine()),
        ("Page written with", ", ".join(get_versions())),
    ]


def join_names(values: Iterable[Any]) -> str:
    """Join values with commas, each once; None is left out."""
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))


def describe_start(line: Mapping[str, Any]) -> str:
    """Return machine, device and versions of a start of a run, where they were recorded."""
    versions = line.get("versions")
    named = versions if isinstance(versions, list) else ()
    return join_names([line.get("machine"), line.get("device"), *named])


def format_config(run: RunFiles) -> str:
    """Format a run's configuration as its file does, cut if it is very long; empty for none."""
    text = json.dumps(run.raw_config, indent=2, ensure_ascii=False) if run.raw_config else ""
    if len(text) <= MAX_CONFIG_CHARACTERS:
        return text
    left = len(text) - MAX_CONFIG_CHARACTERS
    return f"{text[:MAX_CONFIG_CHARACTERS]}\n... ({left} more characters in {run.directory.folder})"
