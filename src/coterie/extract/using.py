"""Which experts a task uses: as given, as an evaluation has noted, or measured on pictures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from coterie.evaluate.scores import FILE, Scores
from coterie.evaluate.use_by_task import use_by_task
from coterie.extract.pictures import batches
from coterie.extract.pruned import LayerUse
from coterie.extract.run import Source, noted
from coterie.extract.verify import answering

SPLIT = "validation"


@dataclass(frozen=True, kw_only=True)
class Using:
    """A task's use of experts, and where it was seen.

    Attributes:
        shares: layer -> {"chosen": share of units by expert}.
        seen: for the report, such as "routing.json".
        split: of the run's data set; None where that is not known.
    """

    shares: Mapping[str, LayerUse]
    seen: str
    split: str | None = None


def using(
    source: Source,
    task: str,
    use: Mapping[str, LayerUse] | str | None,
    *,
    adapter: str = "default",
    probe: Mapping[str, Tensor] | None = None,
) -> Using:
    """The first that there is: what was given, routing.json, the validation split, the probe.

    Args:
        use: shares, or the split on which they are to be measured, or None.
        probe: pictures, if there are any.

    Raises ValueError if there is none of these, or the split is not there.
    """
    match use:
        case None:
            return sought(source, task, adapter, probe)
        case str():
            return measured(source, task, adapter, use)
        case _:
            return Using(shares=use, seen="given")


def sought(source: Source, task: str, adapter: str, probe: Mapping[str, Tensor] | None) -> Using:
    """What is there where nothing was given."""
    found = noted(source.run, task)
    if found:
        assert source.run is not None
        scored = (source.run.folder / FILE).is_file()
        split = Scores.read(source.run.folder).split if scored else None
        return Using(shares=found, seen="routing.json", split=split)
    if source.run is not None:
        return measured(source, task, adapter, SPLIT)
    if probe is not None:
        return Using(shares=counted(source, task, adapter, [probe["pixel_values"]]), seen="probe")
    raise ValueError(
        "form='pruned' needs to know which experts the task uses: give a run, or use= "
        "(evaluate.use_by_task measures it), or a probe="
    )


def measured(source: Source, task: str, adapter: str, split: str) -> Using:
    """Over all pictures of a split, the task alone in each pass, as a cut model runs."""
    pictures = batches(source, split)
    return Using(shares=counted(source, task, adapter, pictures), seen="measured", split=split)


def counted(
    source: Source, task: str, adapter: str, pictures: Iterable[Tensor]
) -> Mapping[str, LayerUse]:
    """The task's use on some batches."""
    with answering(source.model, adapter):
        return use_by_task(source.model, pictures, tasks=(task,))[task]
