"""Columns that a row has and its format does not read: harmless ones, and misspelt ones."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.modalities.base import find_media_modalities

FREE = ("tools", "arguments")
"""Keys of objects that are passed on as they are."""
CUTOFF = 0.75
"""Least similarity of a misspelt name, from 0 to 1, as `difflib` measures it: img is image."""


class TrackedRow(dict[str, Any]):
    """A row, or an object in it, that notes which of its keys were asked for.

    It is a dict for `json` and for formats that ask; iteration does not count as a read.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__({key: track(value) for key, value in values.items()})
        self._read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, which counts as a read, or `default`."""
        self._read.add(key)
        return super().get(key, default)

    def find_unread(self) -> dict[str, Any]:
        """Return the keys that nobody asked for; None and empty values count as missing."""
        unread = {key: each for key, each in self.items() if key not in self._read}
        return {key: each for key, each in unread.items() if each not in (None, "", [], {})}

    def find_inner(self, path: str = "") -> Iterator[tuple[str, "TrackedRow"]]:
        """Yield the objects in what was read, each with its path such as "messages[0]."."""
        for key, value in self.items():
            if key not in self._read or key in FREE:
                continue
            for number, each in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(each, TrackedRow):
                    index = f"[{number}]" if isinstance(value, list) else ""
                    yield f"{path}{key}{index}.", each
                    yield from each.find_inner(f"{path}{key}{index}.")


def track(value: Any) -> Any:
    """Return a JSON value with its objects tracked."""
    if isinstance(value, Mapping):
        return TrackedRow(value)
    return [track(each) for each in value] if isinstance(value, list) else value


def check_unread(row: TrackedRow, media_columns: Iterable[str]) -> list[str]:
    """Return the columns that the row's format, which has parsed it, did not read.

    Keys of objects in columns come as "messages[].thinking".

    Raises RowError for one that is lost: with a file under the misspelt name of one of
    `media_columns` that the row lacks, or beside the content of a message.
    """
    ignored, held = row.find_unread(), dict(row.items())
    absent = [name for name in media_columns if not held.get(name)]
    lost = [(name, value, absent) for name, value in ignored.items()]
    names = [*find_media_modalities(), *(f"{name}s" for name in find_media_modalities())]
    for path, inner in row.find_inner():
        lost += [(f"{path}{name}", value, names) for name, value in inner.find_unread().items()]
    for path, value, known in lost:
        near = get_close_matches(path.rpartition(".")[2], known, n=1, cutoff=CUTOFF)
        if near and looks_like_media(value):
            raise RowError(path, describe_lost(path, near[0]))
    inner = (re.sub(r"\[\d+\]", "[]", path) for path, _, _ in lost[len(ignored) :])
    return list(dict.fromkeys([*ignored, *inner]))


def describe_lost(path: str, near: str) -> str:
    """Describe what to do about a file in a column that is not read."""
    if "." in path:
        return "is a file that is not read here: make it a part of the content"
    return f"is a file in a column that is not read: did you mean {near}?"


def list_media_columns(columns: Columns) -> list[str]:
    """List the columns of media that a task reads."""
    names = [columns.get_media_column(kind) for kind in find_media_modalities()]
    return [*names, *(f"{name}s" for name in names)]


def looks_like_media(value: Any) -> bool:
    """Return whether a value can be an item of media: bytes, a path, an address, or an object."""
    first = value[0] if isinstance(value, list) else value
    if isinstance(first, str):
        return re.search(r"\s", first) is None and re.search(r"/|\.\w{2,5}$", first) is not None
    return isinstance(first, bytes | Mapping)
