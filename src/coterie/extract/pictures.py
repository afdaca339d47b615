"""Pictures of a run's data set, as its model reads them."""

from collections.abc import Iterator

from jaxtyping import Float32
from torch import Tensor

from coterie.evaluate.pictures import rows_of
from coterie.extract.source import ExtractSource

BATCH = 16
PROBE = 4
"""Pictures on which answers are compared."""


def load_batches(
    source: ExtractSource, split: str, limit: int | None = None
) -> Iterator[Float32[Tensor, "batch channels height breadth"]]:
    """A split's pictures; of fewer than all, spread over it.

    Raises ValueError for a source that is no run on pictures, and for a split that there is not.
    """
    if source.run is None or source.run.config.pictures is None:
        raise ValueError(
            f"use={split!r} names a split, and a model alone has no pictures: give a run on a "
            "dense data set, or what evaluate.use_by_task measured"
        )
    rows = rows_of(source.run, source.run.config.pictures, split, limit)
    for start in range(0, len(rows), BATCH):
        places = range(start, min(start + BATCH, len(rows)))
        yield source.processor.pixels([rows[place].image for place in places])
