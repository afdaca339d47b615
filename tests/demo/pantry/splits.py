"""Whether the splits of a task have nothing in common."""

from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any

SPLITS = ("train", "validation", "test")


def apart(parts: Mapping[str, Collection[Any]]) -> bool:
    return all(not set(a) & set(b) for a, b in combinations(parts.values(), 2))
