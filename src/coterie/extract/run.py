"""A run's trained model, where `extract` is given a run or its folder instead of a model."""

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
