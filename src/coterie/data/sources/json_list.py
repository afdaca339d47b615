"""Rows of a JSON file: a list of objects, a list within an object, or an object a line."""

import codecs
from array import array
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.dataset import RowError
from coterie.data.sources.base import MAX_ROW_BYTES, FileSource
from coterie.data.sources.file_state import check_state, read_state
from coterie.data.sources.json_scanner import Span, scan_lists
from coterie.data.sources.jsonl import JsonlSource, describe_length, parse_line
from coterie.data.splits import find_split, get_split_name

LIST_KEYS = ("data", "rows", "examples", "samples", "instances", "items")
"""Keys of an object under which its rows may be listed; others are the names of splits."""


class JsonSource(FileSource):
    """A list of objects, as LLaVA and LLaMA-Factory have it: [{...}, {...}].

    The list may be in an object, {"data": [...]}, or one for each split, {"train": [...], "test":
    [...]}. A file whose first line is an object of its own is read as JSONL. Only the offsets of
    the rows are held in memory: 16 bytes per row.
    """

    suffixes: ClassVar = (".json",)

    def open(self, split: str) -> None:
        self.state = read_state(self.file)
        self.lines = JsonlSource(self.path, unpacked=self.file) if is_jsonl(self.file) else None
        self.starts, self.ends = array("q"), array("q")
        if self.lines is None:
            for span in self.find_rows(split):
                self.starts.append(span.start)
                self.ends.append(span.end)

    def find_rows(self, split: str) -> list[Span]:
        """Find the rows of the list, or of that of a split."""
        lists = scan_lists(self.file, str(self.path))
        if "" in lists:
            return lists[""]
        key = next((key for key in LIST_KEYS if key in lists), None)
        if key is None and any(get_split_name(name) != name or name == split for name in lists):
            key, self.is_split = find_split(split, lists), True
        if key is None:
            names = ", ".join(name[:40] for name in [*lists][:20])
            has = f"it has {names}" if lists else "it has none"
            raise ValueError(
                f"{self.path}: give a list of objects, [{{...}}, {{...}}], or an object with one "
                f"under {', '.join(LIST_KEYS)} or the name of a split ({split}): {has}"
            )
        return lists[key]

    def __len__(self) -> int:
        return len(self.starts) if self.lines is None else len(self.lines)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self.lines is not None:
            return self.lines[index]
        start, end = self.starts[index], self.ends[index]
        if end - start > MAX_ROW_BYTES:
            raise RowError("row", describe_length(f"has {end - start} bytes"))
        with self.file.open("rb") as file:
            check_state(self.path, file.fileno(), self.state)
            file.seek(start)
            return parse_line(file.read(end - start))

    def describe_row(self, index: int) -> str:
        return super().describe_row(index) if self.lines is None else self.lines.describe_row(index)


def is_jsonl(path: Path) -> bool:
    """Return whether the first line that is not empty is an object that ends on it."""
    with path.open("rb") as file:
        head = file.read(MAX_ROW_BYTES + 1).removeprefix(codecs.BOM_UTF8).lstrip()
    line, newline, rest = head.partition(b"\n")
    if not line.startswith(b"{") or not line.rstrip().endswith(b"}"):
        return False
    if newline and rest.strip():
        return True
    try:
        row = parse_line(line)
    except RowError:
        return False
    # One row, unless its only lists are those of many.
    return not any(key in LIST_KEYS or find_split(key, ("train", "validation", "test"))
                   for key, value in row.items() if isinstance(value, list))  # fmt: skip
