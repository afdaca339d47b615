"""Pictures of a run's data set, as its model reads them."""

from collections.abc import Iterator

from jaxtyping import Float32
from torch import Tensor

from coterie.extract.source import ExtractSource
from coterie.tasks.dense.task_set import DenseTasks

BATCH = 16
PROBE = 4
"""Pictures on which answers are compared."""


def load_batches(
    source: ExtractSource, split: str, limit: int | None = None
) -> Iterator[Float32[Tensor, "batch channels height breadth"]]:
    """A split's pictures; of fewer than all, spread over it.

    Raises ValueError for a source that is no run on pictures, and for a split that there is not.
    """
    if source.run is None or not isinstance(source.run.config.tasks, DenseTasks):
        raise ValueError(
            f"use={split!r} names a split, and a model alone has no pictures: give a run on a "
            "dense data set, or what measure_usage_by_task measured"
        )
    config = source.run.config
    rows = source.run.config.tasks.load_evaluation_rows(
        split, limit=limit, skip_bad_rows=config.skip_bad_rows
    )
    for start in range(0, len(rows), BATCH):
        places = range(start, min(start + BATCH, len(rows)))
        yield source.processor.normalize_images([rows[place].image for place in places])
