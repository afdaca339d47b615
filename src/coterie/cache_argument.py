"""The argument by which a model is given its key-value cache: transformers renamed it in 5.24."""

from collections.abc import Mapping
from typing import Any

from transformers import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast

CACHE_NAMES = ("cache", "past_key_values")
"""All its names. Since 5.24 transformers takes the second one, too, until it removes it."""
CACHE = next(name for name in CACHE_NAMES if name in BaseModelOutputWithPast.__annotations__)
"""Its name in the installed transformers, and that of the field of models' outputs."""


def find_cache(arguments: Mapping[str, Any]) -> Cache | None:
    """Return the cache among the arguments of a forward pass, under any of its names."""
    new, old = map(arguments.get, CACHE_NAMES)
    return old if new is None else new


def is_filled(cache: Cache | None) -> bool:
    """Return whether an earlier pass left tokens or states in a cache."""
    if cache is None:
        return False
    layers = getattr(cache, "layers", ())  # an encoder-decoder's cache has two caches instead
    states = [each.has_previous_state for each in layers if hasattr(each, "has_previous_state")]
    if states and len(states) == len(layers):  # state-space layers alone, which count no tokens
        return any(any(each.values()) for each in states)
    return cache.get_seq_length() > 0
