"""Which experts a task uses: as given, as an evaluation has noted, or measured on pictures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from coterie.evaluate.scores import SCORES_FILE, Scores
from coterie.extract.pictures import load_batches
from coterie.extract.pruning import LayerUse
from coterie.extract.source import ExtractSource, read_usage_from_run
from coterie.extract.verify import use_single_adapter
from coterie.routing.usage import select_task
from coterie.tasks.dense.expert_usage import measure_usage_by_task

SPLIT = "validation"


@dataclass(frozen=True, kw_only=True)
class MeasuredUsage:
    """A task's use of experts, and where it was seen.

    Attributes:
        shares: layer -> {"chosen": share of units by expert}.
        seen: for the report, such as "routing.json".
        split: of the run's data set; None where that is not known.
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
    """The first that there is: what was given, routing.json, the validation split, the probe.

    Args:
        use: shares, or the split on which they are to be measured, or None.
        probe: pictures, if there are any.

    Raises ValueError if there is none of these, or the split is not there.
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
    """What is there where nothing was given."""
    found = read_usage_from_run(source.run, task)
    if found:
        assert source.run is not None
        scored = (source.run.folder / SCORES_FILE).is_file()
        split = Scores.read(source.run.folder).split if scored else None
        return MeasuredUsage(choice_shares=found, source="routing.json", split=split)
    if source.run is not None:
        return measure_usage(source, task, adapter, SPLIT)
    if probe is not None:
        return MeasuredUsage(
            choice_shares=count_usage(source, task, adapter, [probe["pixel_values"]]),
            source="probe",
        )
    raise ValueError(
        "format='pruned' needs to know which experts the task uses: give a run, or use= "
        "(measure_usage_by_task measures it), or a probe="
    )


def measure_usage(source: ExtractSource, task: str, adapter: str, split: str) -> MeasuredUsage:
    """Over all pictures of a split, the task alone in each pass, as a cut model runs."""
    pictures = load_batches(source, split)
    return MeasuredUsage(
        choice_shares=count_usage(source, task, adapter, pictures), source="measured", split=split
    )


def count_usage(
    source: ExtractSource, task: str, adapter: str, pictures: Iterable[Tensor]
) -> Mapping[str, LayerUse]:
    """The task's use on some batches."""
    with use_single_adapter(source.model, adapter):
        return select_task(measure_usage_by_task(source.model, pictures, tasks=(task,)), task)
