"""Maps of numbers out of files: checked for their shape, averaged."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from coterie.report.numbers import is_number

Matrix = list[list[float]]


def parse_matrix(data: Any, height: int, width: int) -> Matrix | None:
    """`data` as `height` lists of `width` numbers, NaN for what is none; None if it is not so."""
    if not is_list(data) or len(data) != height:
        return None
    if any(not is_list(line) or len(line) != width for line in data):
        return None
    return [[float(v) if is_number(v) else math.nan for v in line] for line in data]


def average_matrices(maps: Sequence[Matrix]) -> Matrix:
    """Entry by entry, over the maps in which it is a number."""
    return [
        [compute_mean([each[y][x] for each in maps], math.nan) for x in range(len(maps[0][y]))]
        for y in range(len(maps[0]))
    ]


def compute_mean(data: Any, otherwise: Any = None) -> Any:
    """The mean of all finite numbers in a nest of lists, or a number itself; else `otherwise`."""
    held = list(list_numbers(data))
    return sum(held) / len(held) if held else otherwise


def list_numbers(data: Any) -> Iterator[float]:
    """The finite numbers in a nest of lists."""
    if is_list(data):
        for item in data:
            yield from list_numbers(item)
    elif is_number(data):
        yield float(data)


def is_list(data: Any) -> bool:
    """Whether JSON had a list here."""
    return isinstance(data, list | tuple)
