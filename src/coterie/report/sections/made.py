"""How the page was made: seeds, data, model, versions, machine, date, configurations."""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coterie.report.context import ReportContext
from coterie.report.section import Section
from coterie.report.systems import ReportSystem
from coterie.train.environment import describe_machine, get_versions

MAX_CONFIG_CHARACTERS = 40_000
WIDTH = 92


class Made(Section):
    """Facts on the runs and the page, and each system's configuration."""

    title = "How it was made"
    order = 70

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        first = [(system, system.runs[0]) for system in context.systems]
        return {
            "command": context.command,
            "facts": collect_facts(context.systems),
            "configs": [
                (
                    system,
                    run.directory.config_file.name,
                    format_config(run.raw_config, run.path),
                    run.explain(run.directory.config_file, f"No configuration of {system.name}"),
                )
                for system, run in first
            ],
        }


def collect_facts(found: Sequence[ReportSystem]) -> tuple[tuple[str, str], ...]:
    """Collect pairs of a name and its text."""
    runs = [run for system in found for run in system.runs]
    configs = [run.raw_config for run in runs if run.raw_config]
    seeds = "; ".join(f"{each.name}: {join_names(each.seeds)}" for each in found if each.seeds)
    pairs = (
        ("Model", join_names(dict.fromkeys(config.get("base") for config in configs))),
        ("Tasks", join_names(dict.fromkeys(name for run in runs for name in run.task_names))),
        ("Seeds", seeds),
        ("Precision", join_names(dict.fromkeys(config.get("precision") for config in configs))),
        ("Runs", join_names(run.path for system in found for run in system.runs)),
        ("Trained on", join_names(dict.fromkeys(describe_environments(found)))),
        ("Page written", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Page written on", describe_machine()),
        ("Page written with", ", ".join(get_versions())),
    )
    return tuple((name, text) for name, text in pairs if text)


def join_names(values: Any) -> str:
    """Join values with commas; None is left out."""
    return ", ".join(str(value) for value in values if value is not None)


def describe_environments(found: Sequence[ReportSystem]) -> Iterator[str]:
    """Yield machine, device and versions of each start of each run, where they were recorded."""
    for system in found:
        for run in system.runs:
            for line in run.directory.read_environments():
                held = line.get("versions")
                named = held if isinstance(held, list) else ()
                yield join_names([line.get("machine"), line.get("device"), *named])


def format_config(config: Mapping[str, Any], path: Any) -> str:
    """Format a configuration as JSON text, cut if it is very long; empty for none."""
    text = format_json(dict(config)) if config else ""
    if len(text) <= MAX_CONFIG_CHARACTERS:
        return text
    left = len(text) - MAX_CONFIG_CHARACTERS
    return f"{text[:MAX_CONFIG_CHARACTERS]}\n... ({left} more characters in {path})"


def format_json(value: Any, indent: str = "") -> str:
    """JSON with each list and mapping on one line where it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not value or not isinstance(value, dict | list | tuple):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {format_json(item, inner)}" for key, item in value.items()]
    else:
        items = [format_json(item, inner) for item in value]
    opens, closes = "{}" if isinstance(value, dict) else "[]"
    listed = f",\n{inner}".join(items)
    return f"{opens}\n{inner}{listed}\n{indent}{closes}"
