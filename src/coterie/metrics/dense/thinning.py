"""Thinning of edge masks to lines one pixel wide."""

from itertools import cycle

import numpy as np
from jaxtyping import Bool

from coterie.metrics.dense.labels import Mask

NEIGHBOUR_ORDER = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""Row and column offsets of neighbours x1 to x8: counter-clockwise, from the right."""


def thin_edges(mask: Mask) -> Mask:
    """Thin a mask until no pixel can be removed without breaking or shortening a line.

    The first parallel algorithm of Guo and Hall (CACM 1989), which is `bwmorph(mask, "thin", Inf)`
    in MATLAB, with which SEISM thins predicted edges.
    """
    wide = np.pad(mask, 1)
    flat = wide.reshape(-1)
    around = np.array([row * wide.shape[1] + column for row, column in NEIGHBOUR_ORDER])
    older = newer = flat.copy()
    for table in cycle(TABLES):
        # A pixel can be removed only if a neighbour was removed since this table's last pass.
        places = np.flatnonzero((older | newer) & flat)
        if not places.size:
            break
        removed = places[table[flat[places[:, None] + around] @ (1 << np.arange(8))]]
        flat[removed] = False
        older, newer = newer, np.zeros_like(flat)
        newer[removed[:, None] + around] = True
    return wide[1:-1, 1:-1]


def find_removable(first: bool) -> Bool[np.ndarray, " 256"]:
    """Return whether a pixel can be removed in the first or second subiteration.

    Bit i - 1 of the index is neighbour x_i. G1, G2 and G3 are the paper's conditions.
    """
    x = (np.arange(256) >> np.arange(8)[:, None] & 1).astype(bool)
    odd, even, after = x[0::2], x[1::2], np.roll(x[0::2], -1, 0)
    g1 = (~odd & (even | after)).sum(0) == 1
    pairs = np.minimum((odd | even).sum(0), (even | after).sum(0))
    g2 = (pairs == 2) | (pairs == 3)
    x1, x2, x3, x4, x5, x6, x7, x8 = x
    g3 = ~((x2 | x3 | ~x8) & x1) if first else ~((x6 | x7 | ~x4) & x5)
    return g1 & g2 & g3


TABLES = (find_removable(True), find_removable(False))
