"""`Subset`: the samples of a task that are evaluated."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from coterie.data.dataset import Dataset
from coterie.data.sample import TextSample


class Subset(Sequence[TextSample]):
    """A subset of a task's samples, read on access, with or without media."""

    def __init__(
        self, rows: Dataset | Sequence[TextSample], *, limit: int | None, blind: bool
    ) -> None:
        """
        Args:
            rows: all samples.
            limit: number of samples, or None for all. A fixed random subset, because files are
                often sorted by answer.
            blind: remove images and audio.
        """
        self.dataset = rows
        self.blind = blind
        self.indices = spread_indices(len(rows), limit)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> TextSample:  # pyright: ignore[reportIncompatibleMethodOverride]
        # Slices are not needed.
        sample = self.dataset[int(self.indices[index])]
        return sample.without_media() if self.blind else sample


def spread_indices(count: int, limit: int | None) -> Int[np.ndarray, " samples"]:
    """Return the sorted indices of a fixed random `limit` of `count` rows; all for None."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:limit])
