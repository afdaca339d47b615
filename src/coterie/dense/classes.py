"""Numbers from a file as a map of classes, refusing numbers that no class has."""

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor


def to_class_map(
    values: Shaped[np.ndarray, "height breadth"], *, classes: int, unknown: int, ignored: int
) -> Int64[Tensor, "height breadth"]:
    """Classes as int64.

    Args:
        values: whole numbers of any dtype.
        classes: how many there are; the first is 0.
        unknown: what the file says where nothing is known.
        ignored: what the label says there.

    Raises ValueError if a number is neither a class nor `unknown`.
    """
    found = np.unique(values)
    wrong = found[~((found == unknown) | np.isin(found, np.arange(classes)))]
    if len(wrong):
        raise ValueError(
            f"holds {', '.join(map(str, wrong[:3].tolist()))}: classes 0 to {classes - 1} are "
            f"allowed, and {unknown} for unknown; renumber it"
        )
    return torch.from_numpy(np.where(values == unknown, ignored, values).astype(np.int64))
