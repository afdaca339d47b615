"""`ExtractRequest`: a grafted model, and what `extract` is to write of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
class ExtractRequest:
    """The arguments of a call of `coterie.extract`, see there, with the model loaded.

    Attributes:
        run, processor: None for a model alone.
    """

    model: PeftModel
    run: Run | None = None
    processor: Any = None
    task: str
    adapter: str = "default"
    probe: Mapping[str, Tensor] | None = None
    use: Mapping[str, LayerUse] | str | None = None
    pruning: PruningOptions = field(default_factory=PruningOptions)

    @classmethod
    def open(cls, source: PeftModel | Run | str | Path, **arguments: Any) -> "ExtractRequest":
        """Make the request to a model, or to a run, whose model is loaded.

        Raises ValueError for a folder that has no run, or a run that is not finished.
        """
        if isinstance(source, str | Path):
            source = Run.read(source)
        if not isinstance(source, Run):
            return cls(model=source, **arguments)
        loaded: Any = source.load()
        return cls(model=loaded.model, processor=loaded.processor, run=source, **arguments)

    def load_image_batches(
        self, split: str, limit: int | None = None
    ) -> Iterator[Float32[Tensor, "batch channels height breadth"]]:
        """Load a split's images as the model reads them, `limit` spread over it; None for all.

        Raises ValueError for a model alone, a run without images, or an unknown split.
        """
        if self.run is None:
            raise ValueError(
                f"use={split!r} names a split, and a model alone has no images: give a run on a "
                "dense data set, or what coterie.tasks.dense.expert_usage.measure_usage_by_task "
                "returned"
            )
        config = self.run.config
        for inputs in config.tasks.load_model_inputs(
            self.processor, split, limit=limit, batch_size=BATCH_SIZE,
            skip_bad_rows=config.skip_bad_rows,
        ):  # fmt: skip
            yield inputs["pixel_values"]
