"""Generates hand-edited JSON: at every path, values of other types, removed, nested and huge."""

import copy
import json
from collections.abc import Iterator
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, "a", "", "../../x", 0, -1, -0.0, 0.5, 3, 2**70, 10**38, 1e38, -1e-300,
    [], [[]], [1, "a", None], {}, {"a": 1}, "x" * 10_000, [0] * 2_000,
    {"is": "coterie:TopK"}, {"is": "coterie.data:BadRow"}, {"is": "os:system"}, {"is": 3},
)  # fmt: skip
"""What a hand may put in the place of any value."""
NOT_JSON = ("NaN", "Infinity", "1" * 5_000, "[" * 3_000 + "]" * 3_000, '{"a": 1, "a": 2}')
"""The same, in texts that are no JSON, or are too much for a parser."""
MARK = "the mutated value"


def list_paths(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value, as keys and positions; () is the whole."""
    yield path
    if isinstance(data, dict | list):
        items = data.items() if isinstance(data, dict) else enumerate(data)
        for key, value in items:
            yield from list_paths(value, (*path, key))


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of `data` with a value at a path."""
    if not path:
        return value
    changed = copy.deepcopy(data)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def get(data: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    for key in path:
        data = data[key]
    return data


def remove(data: Any, path: tuple[Any, ...]) -> Any:
    """Return a copy of `data` without the value at a path."""
    changed = copy.deepcopy(data)
    del get(changed, path[:-1])[path[-1]]
    return changed


def mutate(data: Any) -> Iterator[tuple[str, str]]:
    """Yield what was done and the text of the file, for every path and every kind of mutation."""
    for path in list_paths(data):
        where, old = ".".join(map(str, path)) or "all", get(data, path)
        for value in (*ODD, [old], {"value": old}):
            yield f"{where} = {json.dumps(value)[:60]}", json.dumps(put(data, path, value))
        for text in NOT_JSON:
            marked = json.dumps(put(data, path, MARK))
            yield f"{where} = {text[:60]}", marked.replace(json.dumps(MARK), text)
        if path:
            yield f"{where} removed", json.dumps(remove(data, path))
        if isinstance(old, dict):
            yield f"{where} with a key", json.dumps(put(data, (*path, "unknown"), 1))
    yield "cut off", json.dumps(data)[:-20]
    yield "empty", ""
