"""Features of frozen encoders, kept while a run answers and left out while its cost is counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from coterie.models.loading import LoadedModel
from coterie.train.frozen_caches import cache_encoder_features

FEATURES_ATTRIBUTE = "features"


def enable_feature_cache(loaded: LoadedModel) -> None:
    """Has an omni model's encoders run once a picture or sound over all runs, where they may."""
    cache_encoder_features(loaded.model, loaded.processor)


@contextmanager
def disable_feature_cache(processor: Any) -> Iterator[None]:
    """Inside, the processor hands on pictures and sounds themselves, whatever it keeps."""
    own = vars(processor)
    kept = {FEATURES_ATTRIBUTE: own.pop(FEATURES_ATTRIBUTE)} if FEATURES_ATTRIBUTE in own else {}
    try:
        yield
    finally:
        own.update(kept)
