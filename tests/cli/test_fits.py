"""Which values fit which annotations."""

from pathlib import Path
from typing import Any, Literal

import pytest

from coterie.cli.fits import fits, fitted, hints_of, item_hint, said
from coterie.data.mix import Mix
from coterie.dense.rows import DenseSet
from coterie.recipes import rode

Precision = Literal["float32", "bfloat16"]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (8, int),
        (8, float),  # a float's place takes a whole number
        (1e-4, float),
        (True, bool),
        (None, int | None),
        (8, int | None),
        ("float32", Precision),
        ([4, 8], tuple[int, ...]),
        ((), tuple[int, ...]),
        ((16, 4), tuple[int, int] | None),
        ("equal", float | Literal["equal"]),
        ({"is": "x"}, dict[str, int]),  # not told
        ({"is": "x"}, Mix),  # its kind is named
        (None, Mix | None),
        ("folder", Path | None),
        ("anything", Any),
    ],
)
def test_fits(value: object, hint: object) -> None:
    assert fits(value, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("8", int),
        (8.0, int),
        (True, int),  # True is 1 to Python
        (True, float),
        (1, bool),
        (None, int),
        ("float16", Precision),
        (4, tuple[int, ...]),
        ("48", tuple[str, ...]),
        ([4, "8"], tuple[int, ...]),
        ("alike", float | Literal["equal"]),
        (1, Literal[True]),
        ((16,), tuple[int, int]),
        ((16, 4, 2), tuple[int, int] | None),
        (3, Mix | None),
        ({"temperature": 1}, Mix),
        (None, Mix),
        ((1, 2), DenseSet),  # an interface
        (3, Path),
    ],
)
def test_does_not_fit(value: object, hint: object) -> None:
    assert not fits(value, hint)


def test_whole_numbers_become_floats_where_only_these_fit() -> None:
    for hint in (float, float | None):
        assert type(fitted(3, hint)) is float
    for hint in (int, int | float, bool, Any):
        assert type(fitted(3, hint)) is int
    assert fitted(None, float | None) is None and fitted(True, float) is True


def test_items_of_tuples() -> None:
    assert item_hint(tuple[int, ...], 5) is int
    assert item_hint(tuple[int, str], 1) is str
    assert item_hint(tuple[int, str], 2) is Any
    assert item_hint(tuple, 0) is item_hint(list[int], 0) is Any


def test_how_it_is_said() -> None:
    assert said(int) == "int" and said(tuple[int, ...]) == "tuple[int, ...]"
    assert said(int | None) == "int | None"
    assert hints_of(rode)["ranks"] == tuple[int, ...]
