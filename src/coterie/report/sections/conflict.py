"""The conflict between tasks before and after training, as heat maps and sentences."""

from collections.abc import Iterator, Mapping
from math import comb
from typing import Any

import torch

from coterie.report.context import ReportContext
from coterie.report.formatting import is_number
from coterie.report.heatmap import parse_matrix
from coterie.report.section import Section
from coterie.train.run_directory import MissingFile

NOT_GIVEN = (
    "The conflict before training was not given: `coterie diagnose` of the base model and the "
    "tasks' file writes it, and `coterie report --conflict FILE` shows it"
)


class ConflictMap(Section):
    """The measurement before training, and the first of each system after training."""

    title = "Conflict"
    order = 20

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        trained = [system for system in context.systems if not system.has_single_task_runs]
        if not trained:
            alone = MissingFile("One task alone has nobody to conflict with")
            return {"measurements": [], "missing": [alone]}
        shown: list[Mapping[str, Any]] = []
        missing: list[MissingFile] = []
        if context.conflict_before is not None:
            shown += parse_measurement("Before training", context.conflict_before)
        elif any(system.has_text_predictions for system in context.systems):
            # Tasks that are answered by images have heads, which mean nothing before training.
            missing.append(MissingFile(NOT_GIVEN))
        for system in trained:
            folders = [run.directory for run in system.runs]
            measured = (folder.try_read_mapping(folder.conflict_file) for folder in folders)
            if found := next(filter(None, measured), None):
                shown += parse_measurement(f"After training: {system.name}", found)
            else:
                what = f"No conflict measured after training {system.name}"
                missing.append(folders[0].explain(folders[0].conflict_file, what))
        return {"measurements": shown, "missing": missing}

    def summarize(self, context: ReportContext, values: Mapping[str, Any]) -> Iterator[str]:
        listed = "; ".join(
            f"{each['title'][0].lower()}{each['title'][1:]} {each['conflicting']} of "
            f"{comb(len(each['tasks']), 2)}"
            for each in values["measurements"]
            if each["conflicting"] is not None
        )
        if listed:
            yield f"Pairs of tasks whose gradients surely point against each other: {listed}."


def parse_measurement(title: str, data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what the template shows of the measurement in a file; matrices are tasks by tasks.

    Yield none without square matrices of two tasks or more.
    """
    tasks = [str(task) for task in data.get("tasks", ())]
    maps = [parse_matrix(each, len(tasks), len(tasks)) for each in data.get("cosine", ())]
    held = [each for each in maps if each is not None]
    if len(tasks) < 2 or not held or len(held) < len(maps):
        return
    names = [str(name) for name in data.get("groups", ())]
    names += [f"group {i + 1}" for i in range(len(names), len(held))]
    share = data.get("negative_share")
    overall = parse_matrix(data.get("overall"), len(tasks), len(tasks))
    cosines = torch.stack(held).nanmean(0) if overall is None else overall
    within = parse_matrix([data.get("within_task")], 1, len(tasks))
    if within is not None:
        # 1 says nothing; two halves of a task's own batches say how much is noise.
        cosines = cosines.where(~torch.eye(len(tasks), dtype=torch.bool), within)
    transfer = parse_matrix(data.get("transfer"), len(tasks), len(tasks))
    high = parse_matrix(data.get("high"), len(tasks), len(tasks))
    yield {
        "title": title,
        "tasks": tasks,
        # Name and cosines of each group of layers, and those over all layers, as the summary has.
        "groups": list(zip(names, held, strict=False)),
        "cosines": cosines,
        # In percent, None if it was not measured.
        "transfer": None if transfer is None else 100 * transfer,
        "summary": str(data.get("sentence", "")),
        "negative_percent": 100 * share if is_number(share) else None,
        # Pairs whose whole interval is below 0, as the summary counts them.
        "conflicting": None if high is None else int((high.triu(1) < 0).sum()),
        "has_own": within is not None and not within.isnan().all(),
    }
