"""How the page was made: seeds, data, model, versions, machine, date, configurations."""

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coterie.data.sources.opening import open_rows
from coterie.report.context import ReportContext
from coterie.report.formatting import format_count
from coterie.report.section import Section
from coterie.report.systems import ReportSystem, RunFiles
from coterie.tasks.text.task_set import TextTasks
from coterie.train.environment import describe_machine, get_versions

MAX_CONFIG_CHARACTERS = 40_000


class Made(Section):
    """Facts on the runs and the page, and each system's configuration."""

    title = "How it was made"
    order = 70

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        return {
            "facts": [(name, text) for name, text in list_facts(context.systems) if text],
            "box": summarize_runs(context),
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


def summarize_runs(context: ReportContext) -> list[tuple[str, str]]:
    """List what was done, in a few lines for the first screen; what is not known is left out."""
    runs = [run for system in context.systems for run in system.runs]
    rows = "; ".join(describe_rows(context, task.name) for task in context.table.columns)
    lines = [
        ("Model", join_names(name_base(run.raw_config.get("base")) for run in runs)),
        ("Tasks", rows or join_names(name for run in runs for name in run.task_names)),
        *((each.name, describe_system(context, each)) for each in context.systems),
    ]
    return [(name, text) for name, text in lines if text]


def name_base(base: Any) -> str | None:
    """Return a base model's hub id, or the last part of its folder; None if it is not known."""
    if base is None:
        return None
    return Path(str(base)).name if Path(str(base)).is_absolute() else str(base)


def describe_rows(context: ReportContext, task: str) -> str:
    """Return a task with the numbers of its rows, as far as they are known."""
    scored = next(each.samples for each in context.table.columns if each.name == task)
    split = context.table.split or "test"
    trained = count_training_rows(context.highlighted.find_run(task), task)
    return f"{task} ({f'{trained:,} training rows, ' if trained else ''}{scored:,} {split} rows)"


def count_training_rows(run: RunFiles, task: str) -> int:
    """Count the rows of a text task's training files; 0 if they are not there, or not apart."""
    tasks = None if run.config is None else run.config.tasks
    listed = tasks.tasks if isinstance(tasks, TextTasks) else ()
    found = next((each for each in listed if each.name == task), None)
    if found is None or "train" not in found.rows or "hf:" in str(found.rows["train"]):
        return 0
    try:
        return len(open_rows(found.get_path("train"), split="train"))
    except (ValueError, OSError):
        return 0


def describe_system(context: ReportContext, system: ReportSystem) -> str:
    """Return recipe, trainable parameters, steps, stages and seeds of a system in a line."""
    first, row = system.runs[0], context.rows.get(system.name)
    recipe, cost = str(first.recipe.get("name", "")), {} if row is None else row.cost
    stages = {str(line.get("stage", "")) for line in first.log}
    trainable = cost.get("trainable_parameters")
    parts = [
        f"recipe {recipe}" if recipe and recipe != system.name else "",
        f"{format_count(trainable)} trainable parameters" if trainable else "",
        f"{first.num_steps:,} steps" if first.num_steps else "",
        f"in {len(stages)} stages" if len(stages) > 1 else "",
        f"seed{'s' * (len(system.seeds) > 1)} {join_names(system.seeds)}" if system.seeds else "",
        f"{len(system.runs)} runs" if len(system.runs) > 1 else "",
    ]
    return ", ".join(filter(None, parts)).replace(" steps, in ", " steps in ")


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
