"""The samples of a task that are scored."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from coterie.data.rows import Rows
from coterie.data.sample import Sample


class Chosen(Sequence[Sample]):
    """Some of a task's rows, each read when it is asked for, with or without their media."""

    def __init__(self, rows: Rows | Sequence[Sample], *, limit: int | None, blind: bool) -> None:
        """
        Args:
            rows: all of them.
            limit: how many to take; the same ones each time, spread over all rows, because files
                are often sorted by answer. None for all.
            blind: without pictures and sounds.
        """
        self.rows = rows
        self.blind = blind
        self.places = spread(len(rows), limit)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Sample:  # pyright: ignore[reportIncompatibleMethodOverride]
        # A sequence's slices have no use here.
        sample = self.rows[int(self.places[index])]
        return sample.blind() if self.blind else sample


def spread(count: int, limit: int | None) -> Int[np.ndarray, " samples"]:
    """Which `limit` of `count` rows are taken, in their order; all for None."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:limit])
