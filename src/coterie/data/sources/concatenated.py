"""The rows of several files, one after the other."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from coterie.data.sources.base import RowSource


class ConcatenatedSource(RowSource):
    """The rows of all `parts`, in their order. Each keeps its own folder of media."""

    def __init__(self, parts: Sequence[RowSource], name: str) -> None:
        self.parts, self.name, self.folder = tuple(parts), name, parts[0].folder
        self.ends = list(accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self.ends[-1]

    def find_part(self, index: int) -> tuple[RowSource, int]:
        """Return the part that has a row, and the row's index in it."""
        number = bisect_right(self.ends, index)
        return self.parts[number], index - (self.ends[number - 1] if number else 0)

    def __getitem__(self, index: int) -> dict[str, Any]:
        part, inner = self.find_part(index)
        return part[inner]

    def describe_row(self, index: int) -> str:
        part, inner = self.find_part(index)
        return part.describe_row(inner)

    def get_folder(self, index: int) -> Path:
        part, inner = self.find_part(index)
        return self.media_root or part.get_folder(inner)


def join(parts: Sequence[RowSource], name: str, *, is_split: bool) -> RowSource:
    """Return the rows of all parts, at least one, as one source."""
    joined = parts[0] if len(parts) == 1 else ConcatenatedSource(parts, name)
    joined.is_split = is_split
    return joined
