"""Reading of batches in worker processes, ahead of the training process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from coterie.data.dataset import BadRow
from coterie.tasks.task_set import Collator
from coterie.train.batch_sampler import MultiTaskDataset, SampleIndex


@dataclass(frozen=True)
class ReadBatch:
    """A batch as a worker sends it: with the rows that it skipped, or with its error."""

    batch: Any
    skipped: Sequence[BadRow] = ()
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
        known = len(self.collator.skipped)
        try:
            batch = self.collator([self.dataset[index] for index in indices])
        except ValueError as error:
            return ReadBatch(None, error=error)
        return ReadBatch(batch, self.collator.skipped[known:])


def keep(batch: ReadBatch) -> ReadBatch:
    """Return the batch, which is collated: the `collate_fn` of a `BatchReader`."""
    return batch


def receive(read: Any, collator: Collator) -> Any:
    """Return a worker's batch and note what it skipped; raise its error. Others are returned."""
    if not isinstance(read, ReadBatch):
        return read
    if read.error is not None:
        raise read.error
    collator.skipped.extend(read.skipped)
    return read.batch
