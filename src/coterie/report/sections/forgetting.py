"""Tasks that were learned one after another: scores after each step, transfer and forgetting."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from coterie.evaluate.sequence_table import MEASURES
from coterie.report.context import ReportContext
from coterie.report.formatting import is_number
from coterie.report.heatmap import Matrix, parse_matrix
from coterie.report.section import Section


class Forgetting(Section):
    """The step x task matrices that `coterie compare --sequence` measured; empty without them."""

    title = "Forgetting"
    order = 25

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        return {"sequences": list(parse_sequences(context.forgetting or {})), "measures": MEASURES}

    def summarize(self, context: ReportContext, values: Mapping[str, Any]) -> Iterator[str]:
        if values["sequences"] and (said := str((context.forgetting or {}).get("summary", ""))):
            yield said


def parse_sequences(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what the template shows of each sequence in a file; none of what is damaged.

    Values are the scores, and how far each is from that after the task's own step, above 0 where
    it is better.
    """
    columns = [each for each in data.get("columns", ()) if isinstance(each, Mapping)]
    names = [str(column.get("name", "")) for column in columns]
    for row in filter(_is_mapping, data.get("rows", ())):
        steps = list(filter(_is_mapping, row.get("steps", ())))
        scores = parse_matrix(
            [[_read_value(step.get("tasks"), name) for name in names] for step in steps],
            len(steps), len(names),
        )  # fmt: skip
        trained = [list(map(str, step.get("trained") or ())) for step in steps]
        if scores is None or not steps or not names:
            continue
        signs = [1.0 if column.get("higher_is_better") else -1.0 for column in columns]
        measures = row.get("measures")
        found = measures if isinstance(measures, Mapping) else {}
        yield {
            "name": str(row.get("system", "")),
            "tasks": names,
            "steps": [f"{i}: {', '.join(each)}" for i, each in enumerate(trained, 1)],
            "scores": scores,
            "changes": compute_changes(scores, names, trained) * torch.tensor(signs).double(),
            "means": {name: read_interval(found.get(name), "mean") for name in MEASURES},
        }


def compute_changes(scores: Matrix, names: list[str], trained: list[list[str]]) -> Matrix:
    """Compute each score minus that after the task's own step; NaN before it."""
    changes = torch.full_like(scores, torch.nan)
    for step, tasks in enumerate(trained):
        for place in (names.index(task) for task in tasks if task in names):
            changes[step:, place] = scores[step:, place] - scores[step, place]
    return changes


def read_interval(held: Any, name: str) -> Mapping[str, float | None] | None:
    """Return an interval out of a file by its name; None if it is not there, or no number."""
    found = held.get(name) if isinstance(held, Mapping) else None
    if not isinstance(found, Mapping) or not is_number(found.get("value")):
        return None
    return {end: found.get(end) for end in ("value", "low", "high")}


def _read_value(tasks: Any, name: str) -> Any:
    found = read_interval(tasks, name)
    return None if found is None else found["value"]


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)
