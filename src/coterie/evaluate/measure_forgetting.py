"""`measure_forgetting`: transfer and forgetting of tasks that were learned in sequence."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from coterie.evaluate.estimates import RESAMPLES
from coterie.evaluate.forgetting import compute_backward_transfer, compute_forgetting, get_learned
from coterie.evaluate.intervals import BootstrapSamples, Interval
from coterie.evaluate.scored_sequence import ScoredSequence, bootstrap_sequences, estimate_mean
from coterie.evaluate.sequence import TaskSequence, group_sequences, load_sequence
from coterie.evaluate.sequence_table import Measure, SequenceRow, SequenceStep, SequenceTable
from coterie.evaluate.systems import Runs, get_common_split
from coterie.evaluate.table import TaskColumn
from coterie.train.controls import UNTRAINED


def measure_forgetting(
    runs: Runs | Mapping[str, Runs],
    *,
    baseline: Runs | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> SequenceTable:
    """Return what tasks gained and lost while they were learned one after another.

    It has the step x task matrix R of scores (R[i, j]: task j after step i) and, each by task and
    as the mean over tasks: the average after the last step (ACC), the score right after a task's
    own step (learning accuracy; PathWeave's T), forgetting, backward and forward transfer, see
    `coterie.evaluate.forgetting` for the formulas. Intervals are of 95 % over samples and seeds,
    paired as in `coterie.compare`. For an error, where lower is better, forgetting and transfer
    have the sign that they have for a score: forgetting above 0 is a loss.

    Args:
        runs: evaluated runs in the order of the steps, such as `coterie.train_sequence` returns,
            or a folder of them; of several seeds, each in that order. Or several sequences: name
            -> its runs, or a list of folders. A run is the step of the tasks that it is the first
            to train. It has been evaluated on the tasks of the steps before and, for forward
            transfer, on those to come; without `adapter_from` and of its own tasks alone, it
            leaves the older adapters as they are, and older tasks keep their scores.
        baseline: another sequence, whose means are subtracted from those of the others.
        resamples, seed: as in `coterie.compare`.

    Raises ValueError as `coterie.compare`, for fewer than two steps, a step that continues another
    and was not evaluated on its tasks, and sequences of other tasks or another order.
    """
    if resamples < 1:
        raise ValueError(f"resamples={resamples}: give at least 1; 1000 is usual")
    groups, name = group_sequences(runs), None
    if baseline is not None:
        ((found, given),) = group_sequences(baseline).items()
        name = f"{found} (baseline)" if found in groups else found
        groups = {name: given} | groups
    split = get_common_split([run for group in groups.values() for run in group])
    sequences = [load_sequence(each, group) for each, group in groups.items()]
    _check_same_tasks(sequences)
    scored = bootstrap_sequences(sequences, resamples=resamples, seed=seed)
    rows = [_make_row(each, scored[0] if name is not None else None) for each in scored]
    columns = [
        TaskColumn(
            name=task, metric=each.name, unit=each.metric.unit,
            higher_is_better=each.metric.higher_is_better, samples=len(each.samples),
        )
        for task, each in zip(sequences[0].first_step, scored[0].tasks, strict=True)
    ]  # fmt: skip
    return SequenceTable(
        split=split, columns=tuple(columns), rows=tuple(rows), baseline=name,
        notes=tuple(_collect_notes(scored, rows)),
    )  # fmt: skip


def _check_same_tasks(sequences: Sequence[TaskSequence]) -> None:
    first = sequences[0]
    for each in sequences[1:]:
        if each.first_step != first.first_step:
            orders = ("; ".join(", ".join(names) for names in one.trained) for one in (first, each))
            raise ValueError(
                f"{first.name!r} and {each.name!r} learned other tasks or in another order "
                f"({' | '.join(orders)}): compare sequences of the same steps"
            )


def _make_row(scored: ScoredSequence, baseline: ScoredSequence | None) -> SequenceRow:
    sequence = scored.sequence
    found = compute_measures(scored)
    against = {} if baseline is None or baseline is scored else compute_measures(baseline)
    measures = {}
    for name, samples in found.items():
        tasks = scored.score_tasks if name in ("average", "learned") else scored.score_differences
        measures[name] = Measure(
            tasks=tasks(samples),
            mean=_average(scored, samples),
            difference=_average(scored, samples, against[name]) if name in against else None,
        )
    steps = tuple(_make_step(scored, number) for number in range(len(sequence.steps)))
    return SequenceRow(system=sequence.name, seeds=sequence.seeds, steps=steps, measures=measures)


def compute_measures(scored: ScoredSequence) -> dict[str, BootstrapSamples]:
    """Return the measures of `MEASURES` by task; forward transfer only where it is known."""
    first = scored.first
    found = {
        "average": scored.select_step(-1),
        "learned": scored.take(partial(get_learned, first=first)),
        "forgetting": scored.compare(partial(compute_forgetting, first=first)),
        "backward_transfer": scored.compare(partial(compute_backward_transfer, first=first)),
        "forward_transfer": scored.compute_forward_transfer(),
    }
    return {name: each for name, each in found.items() if np.isfinite(each.mean).any()}


def _make_step(scored: ScoredSequence, number: int) -> SequenceStep:
    sequence, first = scored.sequence, scored.first
    after = scored.select_step(number)
    lost = scored.compare(partial(compute_forgetting, first=first, step=number))
    return SequenceStep(
        name=sequence.steps[number],
        trained=sequence.trained[number],
        tasks=scored.score_tasks(after),
        average=_average(scored, after, kept=first <= number),
        forgetting=_average(scored, lost),
    )


def _average(
    scored: ScoredSequence,
    samples: BootstrapSamples,
    against: BootstrapSamples | None = None,
    *,
    kept: np.ndarray | None = None,
) -> Interval | None:
    """Return the mean over tasks, minus that of another sequence; None where it means nothing."""
    systems = [samples] if against is None else [samples, against]
    for each in systems:
        known = np.isfinite(each.mean)
        kept = known if kept is None else kept & known
    if kept is None or not kept.any() or not scored.has_one_unit:
        return None
    return estimate_mean(systems, kept, scored.seed).interval


def _collect_notes(scored: Sequence[ScoredSequence], rows: Sequence[SequenceRow]) -> Iterator[str]:
    for each, row in zip(scored, rows, strict=True):
        yield from each.sequence.notes
        if "forward_transfer" not in row.measures:
            yield (
                f"{row.system}: no forward transfer, which needs tasks evaluated before "
                f"their step, and the base model's scores (`coterie evaluate --{UNTRAINED}` of the "
                "first step's run)"
            )
    if not scored[0].has_one_unit:
        yield "no means over tasks, as their metrics differ in unit or direction"
    single = [each.sequence.name for each in scored if len(each.sequence.seeds) == 1]
    if single:
        yield f"one seed only, so the interval is over samples alone: {', '.join(single)}"
