"""Subsets of rows: splits by content hash, and the samples of a task that are evaluated."""

import hashlib
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int

from coterie.data.dataset import Dataset, RowError
from coterie.data.sample import TextSample

Part = Literal["train", "validation", "test"]
SPLIT_PARTS: dict[str, Part] = {part: part for part in get_args(Part)}


class Subset(Sequence[TextSample]):
    """A subset of a task's samples, read on access, with or without media."""

    def __init__(
        self, rows: Dataset | Sequence[TextSample], *, limit: int | None, blind: bool
    ) -> None:
        """Choose `limit` samples (None: all) at random, as files are often sorted.

        If `blind`, images and audio are removed.
        """
        self.dataset, self.blind = rows, blind
        self.indices = spread_indices(len(rows), limit)

    def __len__(self) -> int:
        return len(self.indices)

    # Slices are not needed.
    def __getitem__(self, index: int) -> TextSample:  # pyright: ignore[reportIncompatibleMethodOverride]
        sample = self.dataset[int(self.indices[index])]
        return sample.without_media() if self.blind else sample


def spread_indices(count: int, limit: int | None) -> Int[np.ndarray, " samples"]:
    """Return the sorted indices of a fixed random `limit` of `count` rows; all for None."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:limit])


def hash_content_group(sample: TextSample) -> int:
    """Return a 64-bit hash of the sample's media or, without media, of its text."""
    media = sample.get_media()
    texts = [str(part) for turn in sample.messages for part in turn.parts]
    try:
        key = "\n".join([item.compute_digest() for item in media] or texts)
    except ValueError as error:
        raise RowError(media[0].kind, str(error)) from None
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])


def get_split_indices(groups: Sequence[int], part: Part) -> list[int]:
    """Return the indices of the rows that belong to `part`, by their groups, which are hashes.

    The first tenth of the distinct groups, sorted, is the test split, the second validation, the
    rest train. So the order of rows does not matter, and equal groups stay together.

    Raises ValueError if there are fewer than three distinct groups.
    """
    hashes = np.asarray(groups, np.uint64)
    order = np.unique(hashes)
    if len(order) < len(SPLIT_PARTS):
        alike = ", as rows with the same picture, sound or question stay together"
        raise ValueError(
            f"{len(order)} different rows cannot be shared out to {', '.join(SPLIT_PARTS)}"
            f"{alike if len(order) < len(hashes) else ''}: give at least {len(SPLIT_PARTS)}, or a "
            "file for each split"
        )
    tenth = max(1, round(len(order) / 10))
    test, validation, train = np.split(order, [tenth, 2 * tenth])
    selected = {"train": train, "validation": validation, "test": test}[part]
    return np.flatnonzero(np.isin(hashes, selected)).tolist()
