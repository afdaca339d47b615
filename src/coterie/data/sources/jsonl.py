"""Rows of a JSONL file, read by line offset."""

import codecs
import json
import math
from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

from coterie.data.dataset import RowError
from coterie.data.sources.base import MAX_NESTING, MAX_ROW_BYTES, check_nesting
from coterie.data.sources.indexed_file import IndexedFile

CHUNK_BYTES = 2**20


class JsonlSource(IndexedFile):
    """One JSON object per line in UTF-8; empty lines are skipped."""

    suffixes: ClassVar = (".jsonl", ".ndjson")

    def index_rows(self, file: Any) -> Iterator[tuple[int, int]]:
        return index_lines(file)

    def __getitem__(self, index: int) -> dict[str, Any]:
        start, end = self.starts[index], self.starts[index + 1]
        with self.open_row(index) as file:
            line = file.readline(MAX_ROW_BYTES + 1)
        if len(line) > MAX_ROW_BYTES:
            raise RowError("row", describe_length(f"the line has {end - start} bytes"))
        # Some editors write a byte order mark before UTF-8.
        return parse_line(line.removeprefix(codecs.BOM_UTF8) if start == 0 else line)


def describe_length(problem: str) -> str:
    """Describe a row that is too long, and what to do."""
    return (f"{problem}: at most {MAX_ROW_BYTES} are read; keep pictures and sounds in files of "
            "their own, and give their paths")  # fmt: skip


def index_lines(file: Any) -> Iterator[tuple[int, int]]:
    """Yield (number from 1, offset) of each non-empty line, with at most CHUNK_BYTES in memory."""
    number, start, offset, is_empty = 1, 0, 0, True
    while part := file.readline(CHUNK_BYTES):
        offset += len(part)
        is_empty = is_empty and part.isspace()
        if part.endswith(b"\n"):
            if not is_empty:
                yield number, start
            number, start, is_empty = number + 1, offset, True
    if not is_empty:
        yield number, start


def parse_line(line: bytes) -> dict[str, Any]:
    """Parse the JSON object on a line. Raises RowError if it is invalid or ambiguous."""
    text = ""
    try:
        text = line.decode("utf-8")
        row = json.loads(
            text,
            object_pairs_hook=reject_duplicate_keys,
            parse_constant=reject_constant,
            parse_float=parse_finite_float,
        )
    except RowError:
        raise
    except UnicodeDecodeError as error:
        byte = f"byte {error.start} is 0x{line[error.start]:02x}"
        problem = f"{byte}, not UTF-8: save the file as UTF-8"
    except RecursionError:
        problem = "is nested too deeply to be read"
    except ValueError as error:
        problem = f"is not JSON: {error}; it begins {text[:40]!r}{suggest_list(text)}"
    else:
        if isinstance(row, dict):
            if text.count("[") + text.count("{") > MAX_NESTING:
                check_nesting(row)
            return row
        problem = f"is a JSON {type(row).__name__}, {text[:40]!r}: give an object, {{...}}"
        problem += suggest_list(text)
    raise RowError("row", problem)


def suggest_list(text: str) -> str:
    """Return advice on a line of a list, or one that begins an object of several lines; or ""."""
    if text.startswith("[") or text.strip() == "{":
        return "; write each row in a line of its own, or all as one list in a file named .json"
    return ""


def reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises RowError at a duplicate key, where json keeps the last."""
    row = dict(pairs)
    if len(row) < len(pairs):
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))
        count = sum(key == again for key, _ in pairs)
        raise RowError(again[:60], f"the key {again[:60]!r} comes {count} times: keep one")
    return row


def reject_constant(name: str) -> NoReturn:
    raise RowError("row", f"holds {name}, which is not JSON: leave the row out or give a number")


def parse_finite_float(text: str) -> float:
    """Parse a float. Raises RowError if it overflows, where json returns infinity."""
    number = float(text)
    if math.isinf(number):
        raise RowError("row", f"holds the number {text[:40]}, which is too large")
    return number
