"""The samples of a task that are scored."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from coterie.data.dataset import Dataset
from coterie.data.sample import TextSample


class Subset(Sequence[TextSample]):
    """Some of a task's rows, each read when it is asked for, with or without their media."""

    def __init__(
        self, rows: Dataset | Sequence[TextSample], *, limit: int | None, blind: bool
    ) -> None:
        """
        Args:
            rows: all of them.
            limit: how many to take; the same ones each time, spread over all rows, because files
                are often sorted by answer. None for all.
            blind: without pictures and sounds.
        """
        self.dataset = rows
        self.blind = blind
        self.indices = spread_indices(len(rows), limit)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> TextSample:  # pyright: ignore[reportIncompatibleMethodOverride]
        # A sequence's slices have no use here.
        sample = self.dataset[int(self.indices[index])]
        return sample.without_media() if self.blind else sample


def spread_indices(count: int, limit: int | None) -> Int[np.ndarray, " samples"]:
    """Which `limit` of `count` rows are taken, in their order; all for None."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:limit])
