"""The samples of a run, and which of them each device computes in each part of each step."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64
from torch.utils.data import Dataset

from coterie.tasks.task_set import AnyDataset

SampleIndex = tuple[int, int, int]
"""Task, row, and the lot that decides what chance does to the row."""
MAX_SEED = 2**63 - 1


class MultiTaskDataset(Dataset[Any]):
    """All rows of all tasks as training sees them; an index is a `Place`."""

    def __init__(self, rows: Sequence[AnyDataset], transform: Callable[[Any, int], Any]) -> None:
        """
        Args:
            rows: of each task; those on pictures, which share them, count as one.
            drawn: what a lot makes of a row.
        """
        self.datasets, self.transform = tuple(rows), transform

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(each) for each in self.datasets)

    def __len__(self) -> int:
        return sum(self.sizes)

    def __getitem__(self, index: SampleIndex) -> Any:
        task, row, lot = index
        return self.transform(self.datasets[task][row], lot)


class StageBatchSampler:
    """What a DataLoader takes as `batch_sampler`: the parts of all steps of a stage, in turn."""

    def __init__(
        self,
        places: Int64[np.ndarray, "steps batch 2"],
        *,
        parts: int,
        rank: int,
        world_size: int,
        seed: int,
    ) -> None:
        """
        Args:
            places: what `Mix.batches` gave.
            parts: in how many parts a device computes its samples of a step.
            rank, world: this process, and how many there are.
            seed: of the lots, at least 0.

        Raises ValueError if a step's samples cannot be shared out evenly.
        """
        steps, size, _ = places.shape
        if size % (parts * world_size):
            raise ValueError(
                f"a batch of {size} cannot be computed in {parts} equal parts on {world_size} devices: "
                "give a batch_size that both divide"
            )
        # Drawn here, for all parts and devices: so a sample's lot hangs on nothing but its place.
        lots = np.random.default_rng([seed, 1]).integers(MAX_SEED, size=(steps, size, 1))
        whole = np.concatenate([places, lots], axis=2)
        mine = whole.reshape(steps, parts, world_size, size // (parts * world_size), 3)[:, :, rank]
        self.batches = mine.reshape(steps * parts, -1, 3)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        for batch in self.batches:
            yield [(int(task), int(row), int(lot)) for task, row, lot in batch]


def derive_stage_seed(seed: int, stage: int) -> int:
    """A seed for each stage of a run; the stages of a run, and runs, differ."""
    return int(np.random.SeedSequence([seed, stage]).generate_state(1)[0])
