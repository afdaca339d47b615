"""A run's trained model, where `extract` is given a run or its folder instead of a model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel

from coterie.tasks.dense.task_set import DenseTasks
from coterie.train import Run


@dataclass(frozen=True, kw_only=True)
class ExtractSource:
    """What is cut from.

    Attributes:
        model: the grafted model.
        processor: the run's; None for a model that came without a run.
        run: where it came from, if from a run.
    """

    model: PeftModel
    processor: Any = None
    run: Run | None = None

    @property
    def default_format(self) -> str:
        """What is cut out of it where nobody says otherwise."""
        dense = self.run is not None and isinstance(self.run.config.tasks, DenseTasks)
        return "pruned" if dense else "adapter"


def open_source(source: PeftModel | Run | str | Path) -> ExtractSource:
    """The grafted model, and the run it came from if there is one.

    Raises ValueError for a folder that holds no run, or one that is not trained to its end.
    """
    if isinstance(source, str | Path):
        source = Run.read(source)
    if not isinstance(source, Run):
        return ExtractSource(model=source)
    loaded: Any = source.load()
    return ExtractSource(model=loaded.model, processor=loaded.processor, run=source)


def read_usage_from_run(run: Run | None, task: str) -> dict[str, dict[str, list[float]]]:
    """layer -> {"chosen": shares by expert} of a task, if a run was evaluated; else nothing."""
    if run is None or not (run.folder / "routing.json").is_file():
        return {}
    layers = json.loads((run.folder / "routing.json").read_text(encoding="utf-8"))["layers"]
    return {
        name: {"chosen": layer["chosen"][task]}
        for name, layer in layers.items()
        if task in layer.get("chosen", {})
    }
