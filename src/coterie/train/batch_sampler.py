"""The samples of a run, and the batches of each device, accumulation step and stage."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64
from torch.utils.data import Dataset

from coterie.tasks.dataset import TaskDataset

SampleIndex = tuple[int, int, int]
"""Data set, row, and the seed of the row's augmentation."""
MAX_SEED = 2**63 - 1


class MultiTaskDataset(Dataset[Any]):
    """All rows of all tasks with training-time augmentation, by `SampleIndex`."""

    def __init__(self, rows: Sequence[TaskDataset], transform: Callable[[Any, int], Any]) -> None:
        """
        Args:
            rows: of each task, or one data set that all tasks share.
            transform: applies augmentation to a sample, by a seed.
        """
        self.datasets, self.transform = tuple(rows), transform

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(each) for each in self.datasets)

    def __len__(self) -> int:
        return sum(self.sizes)

    def __getitem__(self, index: SampleIndex) -> Any:
        task, row, seed = index
        return self.transform(self.datasets[task][row], seed)


class StageBatchSampler:
    """The `batch_sampler` of a DataLoader: a stage's batches, one an accumulation step."""

    def __init__(
        self,
        samples: Int64[np.ndarray, "steps batch 2"],
        *,
        parts: int,
        rank: int,
        world_size: int,
        seed: int,
    ) -> None:
        """
        Args:
            samples: (data set, row) of each step, as `TaskSampling.sample_batches` returns.
            parts: accumulation steps.
            rank, world_size: this process, and how many there are.
            seed: of the augmentation seeds, at least 0.

        Raises ValueError if a step's samples cannot be split evenly.
        """
        steps, size, _ = samples.shape
        if size % (parts * world_size):
            raise ValueError(
                f"a batch of {size} cannot be split into {parts} equal parts on {world_size} "
                "devices: give a batch_size that both divide"
            )
        # Sampled for all parts and devices at once: a sample's seed depends on its position alone.
        seeds = np.random.default_rng([seed, 1]).integers(MAX_SEED, size=(steps, size, 1))
        indices = np.concatenate([samples, seeds], axis=2)
        own = indices.reshape(steps, parts, world_size, size // (parts * world_size), 3)[:, :, rank]
        self.batches = own.reshape(steps * parts, -1, 3)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        for batch in self.batches:
            yield [(int(task), int(row), int(each)) for task, row, each in batch]


def derive_stage_seed(seed: int, stage: int) -> int:
    """Derive the seed of a stage; those of a run's stages, and of runs, differ."""
    return int(np.random.SeedSequence([seed, stage]).generate_state(1)[0])
