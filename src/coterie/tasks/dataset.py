"""`TaskDataset` and `Collator`: the samples of a task set, and how they become batches."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from coterie.data.dataset import BadRow


@runtime_checkable
class TaskDataset(Protocol):
    """A map-style data set of samples, which are read when they are asked for."""

    bad_rows: tuple[BadRow, ...]
    """The rows that were left out, with the reason of each."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


@runtime_checkable
class Collator(Protocol):
    """Makes the batch that a model takes from samples."""

    skipped: list[BadRow]
    """The samples that were left out because they do not fit, such as too long ones."""

    def __call__(self, samples: Sequence[Any]) -> dict[str, Any]: ...
