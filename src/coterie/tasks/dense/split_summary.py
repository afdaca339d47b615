"""The summary of a split of a dense data set: samples, bad ones, labels, and constant outputs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from coterie.data.dataset import BadRowsError
from coterie.metrics.base import MapPrediction
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples
from coterie.tasks.dense.task import DenseTask, Label
from coterie.tasks.dense.vision_config import ResizedDataset, VisionConfig
from coterie.tasks.split_summary import SplitSummary

MAX_COUNTED = 200
"""Samples whose labels are counted: each is decoded."""
MAX_SCORED = 20
"""Samples that scores are computed of; some metrics are slow."""
NO_CHANCE = "not defined for dense tasks; compare with the constants"


def summarize_splits(
    dataset: DenseDataset, vision: VisionConfig, splits: Sequence[str]
) -> list[SplitSummary]:
    """Read the samples of splits, good and bad, and count the labels of the first ones.

    Constant outputs are fitted to training samples and scored on others, as predictions are: on
    labels that `vision` resized.
    """
    loaded = [load_rows(dataset, split) for split in splits]
    known = dict(zip(splits, loaded, strict=True)).get("train")
    train = known if isinstance(known, DenseSamples) else None
    return [
        each if isinstance(each, SplitSummary)
        else summarize_rows(dataset, vision, split, each, train)
        for split, each in zip(splits, loaded, strict=True)
    ]  # fmt: skip


def load_rows(dataset: DenseDataset, split: str) -> DenseSamples | SplitSummary:
    """Load the good samples of a split; the summary that says why there are none."""
    names = tuple(task.name for task in dataset.tasks)
    try:
        return dataset.load_split(split, skip_bad_rows=True)
    except BadRowsError as error:  # no sample is good
        return SplitSummary(tasks=names, split=split, problem=str(error))
    except ValueError as error:  # there is no such split; training needs one alone
        problem = str(error) if split == "train" else ""
        return SplitSummary(tasks=names, split=split, problem=problem, notices=(str(error),))


def summarize_rows(
    dataset: DenseDataset,
    vision: VisionConfig,
    split: str,
    rows: DenseSamples,
    train: DenseSamples | None,
) -> SplitSummary:
    """Count the labels of a split's good samples, and score constants fitted to those of `train`.

    Of the training samples that are looked at, every second one is fitted to, and the others are
    scored in the training split.
    """
    sensors = dataset.sensors
    names = tuple(task.name for task in dataset.tasks)
    others = tuple(sensor.name for sensor in sensors if not sensor.is_image)
    labels, maps = Counter[str](), Counter[str]()
    for index in range(min(MAX_COUNTED, len(rows))):
        sample = rows[index]
        labels.update(name for name in sample.labels if name in names)
        maps.update(name for name in sample.sensors if name in others)
    scores: dict[str, str] = {}
    try:
        if train is not None and labels:
            resize = partial(ResizedDataset, tasks=dataset.tasks, vision=vision, sensors=sensors)
            known = resize(train, limit=2 * MAX_SCORED)
            scored = _Part(known, 1) if split == "train" else resize(rows, limit=MAX_SCORED)
            scores = {"chance": NO_CHANCE} | {
                f"{task.name}, a constant": score_constant(task, _Part(known, 0), scored)
                for task in dataset.tasks if labels[task.name]
            }  # fmt: skip
    except ValueError as error:  # a label of a wrong shape
        return SplitSummary(tasks=names, split=split, bad_rows=rows.bad_rows, problem=str(error))
    return SplitSummary(
        tasks=names, split=split, num_samples=len(rows), bad_rows=rows.bad_rows,
        media_counts={name: labels[name] for name in names} | {name: maps[name] for name in others},
        scores=scores,
    )  # fmt: skip


class _Part(DenseSamples):
    """Every second sample of a data set, from the first (0) or the second (1) on."""

    bad_rows = ()

    def __init__(self, rows: DenseSamples, start: int) -> None:
        self.rows, self.places = rows, range(start, len(rows), 2)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> DenseSample:
        return self.rows[self.places[index]]


def score_constant(task: DenseTask, fitted: DenseSamples, scored: DenseSamples) -> str:
    """Score the output that `DenseTask.compute_constant` fits to some samples on others."""
    known = list(iterate_labels(task, fitted))
    constant, metric = task.compute_constant(known), task.make_metric()
    found = []
    for label in iterate_labels(task, scored):
        values = constant if task.is_image_level else constant[:, None, None]
        size = () if task.is_image_level else tuple(label.shape[-2:])
        prediction = MapPrediction(values=values.expand(len(constant), *size))
        found.append(metric.statistics(prediction, label))
    if not (known and found):
        return "too few samples with labels to fit and score it"
    score = metric.score(np.sum(found, axis=0))
    unit = f" {metric.unit}" if metric.unit else ""
    where = f"(fitted to {len(known)} training samples, scored on {len(found)} others)"
    return f"{score:.3g}{unit} {metric} {where}"


def iterate_labels(task: DenseTask, rows: DenseSamples) -> Iterator[Label]:
    """Yield a task's labels of the samples that have one, each read anew."""
    for index in range(len(rows)):
        if (label := rows[index].labels.get(task.name)) is not None:
            yield label
