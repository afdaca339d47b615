"""Features of frozen encoders, kept while a run answers and left out while its cost is counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from coterie.pretrained import Pretrained
from coterie.train.kept import keep_features

NAME = "features"


def keep(loaded: Pretrained) -> None:
    """Has an omni model's encoders run once a picture or sound over all runs, where they may."""
    keep_features(loaded.model, loaded.processor)


@contextmanager
def left_out(processor: Any) -> Iterator[None]:
    """Inside, the processor hands on pictures and sounds themselves, whatever it keeps."""
    own = vars(processor)
    kept = {NAME: own.pop(NAME)} if NAME in own else {}
    try:
        yield
    finally:
        own.update(kept)
