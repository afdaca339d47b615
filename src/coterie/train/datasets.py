"""The samples of a run, and their batches, which worker processes may read ahead of training."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Int64
from torch.utils.data import DataLoader, Dataset

from coterie.data.dataset import BadRow
from coterie.data.sample_check import SampleCheck
from coterie.tasks.predictions import TaskDataset
from coterie.tasks.task_set import Collator
from coterie.train.config import RunConfig

SampleIndex = tuple[int, int, int]
"""Data set, row, and the seed of the row's augmentation."""


class MultiTaskDataset(Dataset[Any]):
    """All training rows of a run's tasks with their augmentation, by `SampleIndex`.

    `datasets` are those of each task, or one that all tasks share; `sizes` their numbers of rows.

    Raises ValueError if rows cannot be read, or `sample_check` refuses some, unless skipped.
    """

    def __init__(self, config: RunConfig, sample_check: SampleCheck | None = None) -> None:
        skip = config.skip_bad_rows
        rows = config.tasks.load_datasets("train", skip_bad_rows=skip, sample_check=sample_check)
        self.datasets, self.transform = tuple(rows), config.tasks.transform
        self.sizes = tuple(len(each) for each in self.datasets)
        self.get_modalities = config.tasks.get_modalities

    def find_groups(self) -> list[Int64[np.ndarray, " samples"]]:
        """Read all rows, and return the number of each one's mix of modalities, by data set."""
        mixes = [
            [tuple(sorted(set(self.get_modalities(rows[i])))) for i in range(len(rows))]
            for rows in self.datasets
        ]
        numbers = {mix: i for i, mix in enumerate(sorted({mix for each in mixes for mix in each}))}
        return [np.array([numbers[mix] for mix in each], np.int64) for each in mixes]

    def __len__(self) -> int:
        return sum(self.sizes)

    def __getitem__(self, index: SampleIndex) -> Any:
        task, row, seed = index
        return self.transform(self.datasets[task][row], seed)


class TrainingRows(NamedTuple):
    """The samples of a run: to train on, and data sets to validate on, if the run validates."""

    samples: MultiTaskDataset
    validation: Sequence[TaskDataset] = ()

    def list_bad_rows(self) -> list[BadRow]:
        """List the rows that were skipped."""
        datasets = (*self.samples.datasets, *self.validation)
        return [row for each in datasets for row in each.bad_rows]


def load_rows(config: RunConfig) -> TrainingRows:
    """Load the rows to train on, and those to validate on if the run validates.

    Raises one ValueError with the bad rows of all splits, also of those that training does not
    read, so that they can be mended at once.
    """
    tasks, skip = config.tasks, config.skip_bad_rows
    sample_check = config.load_sample_check()  # a wrong base is told before rows are read
    try:
        train = MultiTaskDataset(config, sample_check)
        if not config.validates:
            return TrainingRows(train)
        return TrainingRows(
            train,
            tasks.load_datasets("validation", skip_bad_rows=skip, sample_check=sample_check),
        )
    except ValueError as error:
        problems = [str(error)]
    scored = sample_check and sample_check.without_max_length()
    checks = {"validation": sample_check, "test": scored}
    for split, check in checks.items():
        problem = tasks.describe_bad_rows(split, skip_bad_rows=skip, sample_check=check)
        if problem and problem not in problems:
            problems.append(problem)
    raise ValueError("\n".join(problems))


@dataclass(frozen=True)
class ReadBatch:
    """A batch as a worker sends it, or its error."""

    batch: Any
    error: ValueError | None = None


class BatchReader(Dataset[Any]):
    """The samples of a `MultiTaskDataset`, read and collated by the batch.

    A DataLoader asks for a batch at once where `__getitems__` is there. Errors are returned: raised
    in a worker, their message would become a traceback.
    """

    def __init__(self, dataset: MultiTaskDataset, collator: Collator) -> None:
        self.dataset, self.collator = dataset, collator

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: Sequence[SampleIndex]) -> ReadBatch:
        try:
            return ReadBatch(self.collator([self.dataset[index] for index in indices]))
        except ValueError as error:
            return ReadBatch(None, error=error)


def make_loader(
    dataset: MultiTaskDataset,
    collator: Collator,
    sampler: Iterable[list[SampleIndex]],
    *,
    workers: int,
) -> DataLoader[Any]:
    """Make the loader of a stage's batches; from worker processes they are each a `ReadBatch`."""
    if not workers:
        return DataLoader(dataset, batch_sampler=cast(Any, sampler), collate_fn=collator)
    # Forked tokenizers fall back to one thread, with a warning for each process.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return DataLoader(
        BatchReader(dataset, collator),
        batch_sampler=cast(Any, sampler),
        collate_fn=cast(Any, _keep),  # the reader has collated it
        num_workers=workers,
    )


def _keep(batch: ReadBatch) -> ReadBatch:
    return batch


def receive(read: Any) -> Any:
    """Return a worker's batch, or raise its error. Other batches are returned."""
    if not isinstance(read, ReadBatch):
        return read
    if read.error is not None:
        raise read.error
    return read.batch
