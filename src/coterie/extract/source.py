"""`ExtractSource`, the model that `extract` reads, and `ExtractRequest`, what it writes of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float32
from peft import PeftModel
from torch import Tensor

from coterie.extract.expert_selection import LayerUse, PruningOptions
from coterie.train import Run

BATCH_SIZE = 16
PROBE_IMAGES = 4
"""Images on which predictions are compared."""


@dataclass(frozen=True, kw_only=True)
class ExtractSource:
    """A grafted model with its run, and the run's processor; both None for a model alone."""

    model: PeftModel
    processor: Any = None
    run: Run | None = None


@dataclass(frozen=True, kw_only=True)
class ExtractRequest:
    """The arguments of a call of `coterie.extract`, with an open source; see there."""

    source: ExtractSource
    task: str
    adapter: str
    folder: Path
    probe: Mapping[str, Tensor] | None
    use: Mapping[str, LayerUse] | str | None
    pruning: PruningOptions


def open_source(source: PeftModel | Run | str | Path) -> ExtractSource:
    """Return the source of a run, whose model is loaded, or of a model.

    Raises ValueError for a folder that has no run, or a run that is not finished.
    """
    if isinstance(source, str | Path):
        source = Run.read(source)
    if not isinstance(source, Run):
        return ExtractSource(model=source)
    loaded: Any = source.load()
    return ExtractSource(model=loaded.model, processor=loaded.processor, run=source)


def load_image_batches(
    source: ExtractSource, split: str, limit: int | None = None
) -> Iterator[Float32[Tensor, "batch channels height breadth"]]:
    """Load a split's images as the run's model reads them, `limit` spread over it; None for all.

    Raises ValueError for a model alone, a run without images, or an unknown split.
    """
    if source.run is None:
        raise ValueError(
            f"use={split!r} names a split, and a model alone has no images: give a run on a dense "
            "data set, or what coterie.tasks.dense.expert_usage.measure_usage_by_task returned"
        )
    config = source.run.config
    for inputs in config.tasks.load_model_inputs(
        source.processor, split, limit=limit, batch_size=BATCH_SIZE,
        skip_bad_rows=config.skip_bad_rows,
    ):  # fmt: skip
        yield inputs["pixel_values"]
