"""A task's expert usage: given, from the run's evaluation, or measured on images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from coterie.evaluate.scores import Scores
from coterie.extract.pruning import LayerUse
from coterie.extract.source import ExtractSource, load_image_batches, read_usage_from_run
from coterie.extract.verify import use_single_adapter
from coterie.routing.usage import select_task
from coterie.tasks.dense.expert_usage import measure_usage_by_task

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


def resolve_usage(
    source: ExtractSource,
    task: str,
    use: Mapping[str, LayerUse] | str | None,
    *,
    adapter: str = "default",
    probe: Mapping[str, Tensor] | None = None,
) -> MeasuredUsage:
    """Return the given usage, or else that of routing.json, the validation split or the probe.

    Args:
        source: the model, and its run if there is one.
        task: the task's name.
        use: shares, or the split to measure them on, or None.
        adapter: the adapter's name.
        probe: a batch of images, for a model without a run.

    Raises ValueError if there is none of these, or the split is unknown.
    """
    match use:
        case None:
            return find_default_usage(source, task, adapter, probe)
        case str():
            return measure_usage(source, task, adapter, use)
        case _:
            return MeasuredUsage(choice_shares=use, source="given")


def find_default_usage(
    source: ExtractSource, task: str, adapter: str, probe: Mapping[str, Tensor] | None
) -> MeasuredUsage:
    """Return the usage of routing.json, or measure it on the validation split or the probe."""
    found = read_usage_from_run(source.run, task)
    if found:
        assert source.run is not None
        scored = source.run.directory.scores_file().is_file()
        split = Scores.read(source.run.folder).split if scored else None
        return MeasuredUsage(
            choice_shares=found, source=source.run.directory.expert_usage_file.name, split=split
        )
    if source.run is not None:
        return measure_usage(source, task, adapter, SPLIT)
    if probe is not None:
        return MeasuredUsage(
            choice_shares=count_usage(source, task, adapter, [probe["pixel_values"]]),
            source="probe",
        )
    raise ValueError(
        "format='pruned' needs to know which experts the task uses: give a run, or use= "
        "(coterie.tasks.dense.expert_usage.measure_usage_by_task measures it), or a probe="
    )


def measure_usage(source: ExtractSource, task: str, adapter: str, split: str) -> MeasuredUsage:
    """Measure usage over all images of a split, in forward passes of the task alone."""
    images = load_image_batches(source, split)
    return MeasuredUsage(
        choice_shares=count_usage(source, task, adapter, images), source="measured", split=split
    )


def count_usage(
    source: ExtractSource, task: str, adapter: str, images: Iterable[Tensor]
) -> Mapping[str, LayerUse]:
    """Measure the task's usage on batches of images."""
    with use_single_adapter(source.model, adapter):
        return select_task(measure_usage_by_task(source.model, images, tasks=(task,)), task)
