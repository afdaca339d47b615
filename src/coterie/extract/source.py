"""`ExtractRequest`: a grafted model, and what `extract` is to write of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32
from peft import PeftModel
from torch import Tensor

from coterie.evaluate.scores import Scores
from coterie.extract.expert_selection import LayerUse, PruningOptions
from coterie.extract.fixed_task import use_single_adapter
from coterie.extract.task_modalities import select_modalities
from coterie.routing.usage import select_task
from coterie.tasks.dense.expert_usage import measure_usage_by_task
from coterie.tasks.task_set import Device
from coterie.train import Run
from coterie.train.inputs import read_base_dtype

SPLIT = "validation"
"""The split on which a task's expert usage is measured."""
BATCH_SIZE = 16
PROBE_IMAGES = 4
"""Images on which predictions are compared."""


@dataclass(frozen=True, kw_only=True)
class ExtractRequest:
    """The arguments of a call of `coterie.extract`, see there, with the model loaded.

    Attributes:
        run, processor: None for a model alone.
        task: "" for formats of all tasks.
        llama_cpp: the folder of llama.cpp; None for PATH.
    """

    model: PeftModel
    run: Run | None = None
    processor: Any = None
    task: str = ""
    adapter: str = "default"
    probe: Mapping[str, Tensor] | None = None
    use: Mapping[str, LayerUse] | str | None = None
    pruning: PruningOptions | None = None
    dtype: torch.dtype | None = None
    llama_cpp: Path | None = None

    @classmethod
    def open(
        cls, source: PeftModel | Run | str | Path, *, device: Device = None, **arguments: Any
    ) -> "ExtractRequest":
        """Make the request to a model, or to a run, whose model is loaded on `device`.

        Raises ValueError for a folder that has no run, or a run that is not finished.
        """
        if isinstance(source, str | Path):
            source = Run.read(source)
        if not isinstance(source, Run):
            return cls(model=source, **arguments)
        loaded: Any = source.load(device=device)
        if task := arguments.get("task"):
            select_modalities(loaded.model, arguments.get("adapter", "default"), source, task)
        return cls(model=loaded.model, processor=loaded.processor, run=source, **arguments)

    def get_dtype(self) -> torch.dtype:
        """Return the dtype of a merged model: the given one, the base's own, or the model's."""
        own = None if self.run is None else read_base_dtype(self.run.config)
        return self.dtype or own or next(self.model.parameters()).dtype

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
        self.run.check_rows(split)
        for inputs in config.tasks.load_model_inputs(
            self.processor, split, limit=limit, batch_size=BATCH_SIZE,
            skip_bad_rows=config.skip_bad_rows,
        ):  # fmt: skip
            yield inputs["pixel_values"].to(next(self.model.parameters()).device)

    def resolve_usage(self) -> tuple[Mapping[str, LayerUse], str, str | None]:
        """Return the given usage, or else that of routing.json, the validation split or the probe.

        With it, for the report, its source ("given", "routing.json", "measured" or "probe") and the
        split of the run's data set, None if unknown.

        Raises ValueError if there is none of these, or the split is unknown.
        """
        use, run = self.use, self.run
        if use is not None and not isinstance(use, str):
            return use, "given", None
        if use is None and run is not None:
            if found := read_usage_from_run(run, self.task):
                scored = run.directory.scores_file().is_file()
                split = Scores.read(run.folder).split if scored else None
                return found, run.directory.expert_usage_file.name, split
            use = SPLIT
        if use is not None:
            # In forward passes of the task alone, over all images.
            images, seen = self.load_image_batches(use), "measured"
        elif self.probe is not None:
            images, seen = [self.probe["pixel_values"]], "probe"
        else:
            raise ValueError(
                "format='pruned' needs to know which experts the task uses: give a run, or use= "
                "(coterie.tasks.dense.expert_usage.measure_usage_by_task measures it), or a probe="
            )
        with use_single_adapter(self.model, self.adapter):
            measured = measure_usage_by_task(self.model, images, tasks=(self.task,))
        return select_task(measured, self.task), seen, use


def read_usage_from_run(run: Run, task: str) -> dict[str, LayerUse]:
    """Read layer -> the task's usage from the run's evaluation; empty if there was none."""
    file = run.directory.expert_usage_file
    layers = json.loads(file.read_text(encoding="utf-8"))["layers"] if file.is_file() else {}
    return {
        name: {"chosen": layer["chosen"][task]}
        for name, layer in layers.items()
        if task in layer.get("chosen", {})
    }
