"""The summary of a split of a dense data set: its samples, bad ones, and labels of each task."""

from collections import Counter

from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.split_summary import SplitSummary

MAX_COUNTED = 200
"""Samples whose labels are counted: each is decoded."""


def summarize_split(dataset: DenseDataset, split: str) -> SplitSummary:
    """Read the samples of a split, good and bad, and count the labels of the first ones."""
    names = tuple(task.name for task in dataset.tasks)
    try:
        rows = dataset.load_split(split, skip_bad_rows=True)
    except ValueError as error:  # there is no such split, or no sample of it is good
        return SplitSummary(tasks=names, split=split, problem=str(error))
    labels = Counter[str]()
    for index in range(min(MAX_COUNTED, len(rows))):
        labels.update(name for name in rows[index].labels if name in names)
    return SplitSummary(
        tasks=names, split=split, num_samples=len(rows), bad_rows=rows.bad_rows,
        media_counts={name: labels[name] for name in names},
    )  # fmt: skip
