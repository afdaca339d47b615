"""A task's expert usage: given, from the run's evaluation, or measured on images."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from coterie.evaluate.scores import Scores
from coterie.extract.expert_selection import LayerUse
from coterie.extract.source import ExtractRequest
from coterie.extract.verify import use_single_adapter
from coterie.routing.usage import select_task
from coterie.tasks.dense.expert_usage import measure_usage_by_task
from coterie.train import Run

SPLIT = "validation"


@dataclass(frozen=True, kw_only=True)
class MeasuredUsage:
    """A task's expert usage, and its source.

    Attributes:
        choice_shares: layer -> {"chosen": share of units by expert}.
        source: for the report: "routing.json", "measured", "probe" or "given".
        split: of the run's data set; None if unknown.
    """

    choice_shares: Mapping[str, LayerUse]
    source: str
    split: str | None = None


def resolve_usage(request: ExtractRequest) -> MeasuredUsage:
    """Return the given usage, or else that of routing.json, the validation split or the probe.

    Raises ValueError if there is none of these, or the split is unknown.
    """
    use, run = request.use, request.run
    if use is not None and not isinstance(use, str):
        return MeasuredUsage(choice_shares=use, source="given")
    if use is None and run is not None:
        if found := read_usage_from_run(run, request.task):
            scored = run.directory.scores_file().is_file()
            split = Scores.read(run.folder).split if scored else None
            name = run.directory.expert_usage_file.name
            return MeasuredUsage(choice_shares=found, source=name, split=split)
        use = SPLIT
    if use is not None:
        # In forward passes of the task alone, over all images.
        images, seen = request.load_image_batches(use), "measured"
    elif request.probe is not None:
        images, seen = [request.probe["pixel_values"]], "probe"
    else:
        raise ValueError(
            "format='pruned' needs to know which experts the task uses: give a run, or use= "
            "(coterie.tasks.dense.expert_usage.measure_usage_by_task measures it), or a probe="
        )
    with use_single_adapter(request.model, request.adapter):
        measured = measure_usage_by_task(request.model, images, tasks=(request.task,))
    shares = select_task(measured, request.task)
    return MeasuredUsage(choice_shares=shares, source=seen, split=use)


def read_usage_from_run(run: Run, task: str) -> dict[str, LayerUse]:
    """Read layer -> the task's usage from the run's evaluation; empty if there was none."""
    file = run.directory.expert_usage_file
    layers = json.loads(file.read_text(encoding="utf-8"))["layers"] if file.is_file() else {}
    return {
        name: {"chosen": layer["chosen"][task]}
        for name, layer in layers.items()
        if task in layer.get("chosen", {})
    }
