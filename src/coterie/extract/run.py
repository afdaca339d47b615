"""A run's trained model, where `extract` is given a run or its folder instead of a model."""

import json
from pathlib import Path
from typing import Any

from peft import PeftModel

from coterie.train import Run


def opened(source: PeftModel | Run | str | Path) -> tuple[PeftModel, Any]:
    """The grafted model and its processor; a model given as it is comes without one (None).

    Raises ValueError for a folder that holds no run, or one that is not trained to its end.
    """
    if isinstance(source, str | Path):
        source = Run.read(source)
    if not isinstance(source, Run):
        return source, None
    loaded: Any = source.load()
    return loaded.model, loaded.processor


def noted(source: PeftModel | Run | str | Path, task: str) -> dict[str, dict[str, list[float]]]:
    """layer -> {"chosen": shares by expert} of a task, if a run was evaluated; else nothing."""
    folder = source.folder if isinstance(source, Run) else source
    if not isinstance(folder, str | Path) or not (Path(folder) / "routing.json").is_file():
        return {}
    layers = json.loads((Path(folder) / "routing.json").read_text(encoding="utf-8"))["layers"]
    return {
        name: {"chosen": layer["chosen"][task]}
        for name, layer in layers.items()
        if task in layer.get("chosen", {})
    }
