"""The summary of a split of a dense data set: samples, bad ones, labels, and constant outputs."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from coterie.data.validation import BadRowsError
from coterie.metrics.base import MapPrediction
from coterie.tasks.dense.dataset import DenseDataset, DenseSamples
from coterie.tasks.dense.task import DenseTask, Label
from coterie.tasks.dense.vision_config import ResizedDataset, VisionConfig
from coterie.tasks.split_summary import SplitSummary

MAX_COUNTED = 200
"""Samples whose labels are counted: each is decoded."""
MAX_SCORED = 20
"""Samples that scores are computed of; some metrics are slow."""


def summarize_split(dataset: DenseDataset, vision: VisionConfig, split: str) -> SplitSummary:
    """Read the samples of a split, good and bad, and count the labels of the first ones.

    Constant outputs are scored as predictions are: on labels that `vision` resized.
    """
    names = tuple(task.name for task in dataset.tasks)
    try:
        rows = dataset.load_split(split, skip_bad_rows=True)
    except BadRowsError as error:  # no sample is good
        return SplitSummary(tasks=names, split=split, problem=str(error))
    except ValueError as error:  # there is no such split; training needs one alone
        problem = str(error) if split == "train" else ""
        return SplitSummary(tasks=names, split=split, problem=problem, notices=(str(error),))
    labels = Counter[str]()
    for index in range(min(MAX_COUNTED, len(rows))):
        labels.update(name for name in rows[index].labels if name in names)
    try:
        scored = ResizedDataset(rows, dataset.tasks, vision, limit=MAX_SCORED)
        scores = {
            f"{task.name}, a constant": score_constant(task, scored)
            for task in dataset.tasks if labels[task.name]
        }  # fmt: skip
    except ValueError as error:  # a label of a wrong shape
        return SplitSummary(tasks=names, split=split, bad_rows=rows.bad_rows, problem=str(error))
    return SplitSummary(
        tasks=names, split=split, num_samples=len(rows), bad_rows=rows.bad_rows,
        media_counts={name: labels[name] for name in names}, scores=scores,
    )  # fmt: skip


def score_constant(task: DenseTask, rows: DenseSamples) -> str:
    """Score the output of `DenseTask.compute_constant` for samples; it is fitted to the same."""
    constant, metric = task.compute_constant(iterate_labels(task, rows)), task.make_metric()
    found = []
    for label in iterate_labels(task, rows):
        values = constant if task.is_image_level else constant[:, None, None]
        size = () if task.is_image_level else tuple(label.shape[-2:])
        prediction = MapPrediction(values=values.expand(len(constant), *size))
        found.append(metric.statistics(prediction, label))
    score = metric.score(np.sum(found, axis=0)) if found else math.nan
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{score:.3g}{unit} {metric}"


def iterate_labels(task: DenseTask, rows: DenseSamples) -> Iterator[Label]:
    """Yield a task's labels of the samples that have one, each read anew."""
    for index in range(len(rows)):
        if (label := rows[index].labels.get(task.name)) is not None:
            yield label
