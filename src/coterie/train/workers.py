"""Reading of batches in worker processes, ahead of the training process."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch.utils.data import DataLoader, Dataset

from coterie.tasks.task_set import Collator
from coterie.train.batch_sampler import MultiTaskDataset, SampleIndex, StageBatchSampler


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
    dataset: MultiTaskDataset, collator: Collator, sampler: StageBatchSampler, *, workers: int
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
