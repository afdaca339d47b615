"""The summary of a text task's rows, with the scores of answers that nobody had to learn."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from statistics import median_low

import numpy as np

from coterie.data.sample_check import SampleCheck
from coterie.data.splits import MissingSplitError
from coterie.data.subset import spread_indices
from coterie.metrics.base import TextMetric, TextPrediction
from coterie.tasks.split_summary import SplitSummary
from coterie.tasks.text.task import TextTask

MAX_SCORED = 1000
"""Samples that scores are computed of; some metrics are slow."""
NUM_CONSTANTS = 3
"""Most frequent answers, of which the best is the constant one."""
SEED = 0


def summarize_rows(task: TextTask, split: str, sample_check: SampleCheck | None) -> SplitSummary:
    """Read the rows of a split, good and bad, and score answers by chance and a constant one.

    That a data set has splits of its own, and not this one, is a problem of "train" alone.
    """
    try:
        rows = task.read_rows(split, sample_check=sample_check)
    except MissingSplitError as error:
        problem, notices = (str(error), ()) if split == "train" else ("", (str(error),))
        return SplitSummary(tasks=(task.name,), split=split, problem=problem, notices=notices)
    except ValueError as error:  # no such file, or too few rows for the splits
        return SplitSummary(tasks=(task.name,), split=split, problem=str(error))
    media, answers = Counter[str](), []
    chosen = set(spread_indices(len(rows), MAX_SCORED).tolist())
    for index, sample in enumerate(rows):
        media.update({each.kind for each in sample.get_media()})
        if index in chosen:
            answers.append(sample.answers)
    return SplitSummary(
        tasks=(task.name,), split=split, num_samples=len(rows), bad_rows=rows.bad_rows,
        token_counts=rows.token_counts, media_counts=media,
        scores=score_baselines(task.metric, answers), notices=tuple(rows.list_notices()),
        problem="" if len(rows) or rows.bad_rows else f"{task.describe_split(split)} has no rows",
    )  # fmt: skip


def score_baselines(metric: TextMetric, answers: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """Return the score of another sample's answer ("chance"), and of the best constant answer."""
    if not answers:
        return {}
    if len(answers) == 1:
        return {"chance": "one row cannot show it"}
    fitted = metric.fit(iter(answers))
    first = [each[0] for each in answers]

    def score(predictions: Sequence[str]) -> float:
        pairs = zip(predictions, answers, strict=True)
        found = [fitted.statistics(TextPrediction(text=text), each) for text, each in pairs]
        return fitted.score(np.stack(found).astype(np.float64).sum(0))

    # Each sample gets the next one's answer in a random order, so none gets its own.
    order = np.random.default_rng(SEED).permutation(len(first)).tolist()
    others = dict(zip(order, [*order[1:], order[0]], strict=True))
    constants = {text: score([text] * len(first)) for text in list_constants(first)}
    known = {text: each for text, each in constants.items() if np.isfinite(each)} or constants
    best = (max if metric.higher_is_better else min)(known, key=known.__getitem__)
    chance = score([first[others[index]] for index in range(len(first))])
    unit = f" {metric.unit}" if metric.unit else ""
    return {
        "chance": f"{chance:.1f}{unit} {metric}",
        f"always {best[:40]!r}": f"{constants[best]:.1f}{unit} {metric}",
    }


def list_constants(answers: Sequence[str]) -> Iterator[str]:
    """Yield the most frequent answers, and the median if all are numbers."""
    yield from (text for text, _ in Counter(answers).most_common(NUM_CONSTANTS))
    with suppress(ValueError):
        yield str(median_low(map(float, answers)))
