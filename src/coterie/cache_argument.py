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
