"""Train, validation and test splits of rows that have none, by content hash."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

Part = Literal["train", "validation", "test"]
SPLIT_PARTS: dict[str, Part] = {part: part for part in get_args(Part)}


def get_split_indices(groups: Sequence[int], part: Part) -> list[int]:
    """Return the indices of `groups` that belong to `part`, in order.

    The distinct groups are sorted by number, which is a hash: the first tenth (at least one) is
    the test split, the second validation, the rest train. So the order of rows does not matter,
    and equal groups stay together.

    Raises ValueError if there are fewer than three distinct groups.
    """
    hashes = np.asarray(groups, np.uint64)
    order = np.unique(hashes)
    if len(order) < len(SPLIT_PARTS):
        raise ValueError(
            f"{len(order)} different rows cannot be shared out to {', '.join(SPLIT_PARTS)}: give "
            f"at least {len(SPLIT_PARTS)}, or a file for each split"
        )
    tenth = max(1, round(len(order) / 10))
    chosen = {"test": order[:tenth], "validation": order[tenth : 2 * tenth]}
    selected = chosen.get(part, order[2 * tenth :])
    return np.flatnonzero(np.isin(hashes, selected)).tolist()
