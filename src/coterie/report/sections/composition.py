"""Composed runs: what they are made of, and the losses on which their weights were searched."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from coterie.compose.origins import summarize_tensors
from coterie.report.context import ReportContext
from coterie.report.formatting import Axis, is_number, make_axis
from coterie.report.section import Section


class SearchCurve(NamedTuple):
    """A task's loss on validation rows by the weight of the first run, or the mean of all."""

    name: str
    points: Sequence[tuple[float, float]]
    y: Axis


class ComposedRuns(Section):
    """Runs, weights and origins of each composed system's first run; empty without one."""

    title = "Composition"
    order = 45

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        found, missing = [], []
        for system in context.systems:
            directory = system.runs[0].directory
            record = directory.try_read_mapping(directory.composition_file)
            if runs := [parse_run(each) for each in list_mappings(record.get("runs"))]:
                found.append(
                    {
                        "system": system,
                        "runs": runs,
                        "text": str(record.get("text", "")),
                        "media": str(record.get("media", "")),
                        "origins": list_origins(record.get("tensors")),
                        "curves": make_curves(list_mappings(record.get("search"))),
                        "x": Axis(0.0, 1.0),
                    }
                )
            elif directory.is_composed:
                what = f"What {system.name} was composed of is unknown"
                missing.append(directory.explain(directory.composition_file, what))
        return {"composed": found, "missing": missing}

    def summarize(self, context: ReportContext, values: Mapping[str, Any]) -> Iterator[str]:
        for each in values["composed"]:
            yield f"{each['system'].name} was composed of {len(each['runs'])} runs, untrained."


def list_mappings(value: object) -> list[Mapping[str, Any]]:
    """Return the mappings in a list of a file; none of what is damaged."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def parse_run(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the template shows of a run in a file."""
    modalities = run.get("modalities")
    return {
        "folder": str(run.get("folder", "")),
        "recipe": str(run.get("recipe", "")),
        "modalities": list(map(str, modalities)) if isinstance(modalities, list) else [],
        "weight": run.get("weight"),
    }


def list_origins(tensors: object) -> list[str]:
    """Return how many tensors are from where; none of a damaged file."""
    try:
        return summarize_tensors(tensors) if isinstance(tensors, Mapping) else []
    except (TypeError, KeyError):
        return []


def make_curves(points: Sequence[Mapping[str, Any]]) -> list[SearchCurve]:
    """Return the curves of a search over two runs, the mean first; none without one."""
    known = [each for each in points if is_point(each)]
    if len(known) < 2:
        return []
    lines = {"mean over tasks": [each["mean_loss"] for each in known]}
    lines |= {name: [each["losses"].get(name) for each in known] for name in known[0]["losses"]}
    return [
        SearchCurve(
            name,
            [(float(each["weights"][0]), loss) for each, loss in zip(known, losses, strict=True)],
            make_axis(losses),
        )
        for name, losses in lines.items()
        if all(map(is_number, losses))
    ]


def is_point(point: Mapping[str, Any]) -> bool:
    """Return whether a point of a file has two weights, losses and their mean."""
    weights, losses = point.get("weights"), point.get("losses")
    has_weights = isinstance(weights, list) and len(weights) == 2 and all(map(is_number, weights))
    return has_weights and isinstance(losses, Mapping) and is_number(point.get("mean_loss"))
