"""The samples of a run, and which of them each device computes in each part of each step."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64
from torch.utils.data import Dataset

from coterie.data.rows import Rows
from coterie.data.sample import Sample

Place = tuple[int, int]


class Samples(Dataset[Sample]):
    """All rows of all tasks; an index is (task, row)."""

    def __init__(self, rows: Sequence[Rows]) -> None:
        self.rows = tuple(rows)

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(each) for each in self.rows)

    def __len__(self) -> int:
        return sum(self.sizes)

    def __getitem__(self, index: Place) -> Sample:
        task, row = index
        return self.rows[task][row]


class Order:
    """What a DataLoader takes as `batch_sampler`: the parts of all steps of a stage, in turn."""

    def __init__(
        self, places: Int64[np.ndarray, "steps batch 2"], *, parts: int, rank: int, world: int
    ) -> None:
        """
        Args:
            places: what `Mix.batches` gave.
            parts: in how many parts a device computes its samples of a step.
            rank, world: this process, and how many there are.

        Raises ValueError if a step's samples cannot be shared out evenly.
        """
        steps, size, _ = places.shape
        if size % (parts * world):
            raise ValueError(
                f"a batch of {size} cannot be computed in {parts} equal parts on {world} devices: "
                "give a batch_size that both divide"
            )
        mine = places.reshape(steps, parts, world, size // (parts * world), 2)[:, :, rank]
        self.batches = mine.reshape(steps * parts, -1, 2)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Place]]:
        for batch in self.batches:
            yield [(int(task), int(row)) for task, row in batch]


def stage_seed(seed: int, stage: int) -> int:
    """A seed for each stage of a run; the stages of a run, and runs, differ."""
    return int(np.random.SeedSequence([seed, stage]).generate_state(1)[0])
