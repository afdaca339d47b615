"""Which values fit which annotations."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from coterie.annotations import (
    check_choices,
    coerce,
    format_suggestions,
    get_item_annotation,
    matches_annotation,
)
from coterie.data.task_sampling import TaskSampling
from coterie.tasks.dense.dataset import DenseDataset

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
        ({"is": "x"}, TaskSampling),  # its kind is named
        (None, TaskSampling | None),
        ("folder", Path | None),
        ("anything", Any),
    ],
)
def test_fits(value: object, hint: object) -> None:
    assert matches_annotation(value, hint)


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
        (3, TaskSampling | None),
        ({"temperature": 1}, TaskSampling),
        (None, TaskSampling),
        ((1, 2), DenseDataset),  # an interface
        (3, Path),
    ],
)
def test_does_not_fit(value: object, hint: object) -> None:
    assert not matches_annotation(value, hint)


def test_whole_numbers_become_floats_where_only_these_fit() -> None:
    for hint in (float, float | None):
        assert type(coerce(3, hint, "rate")) is float
    for hint in (int, int | float, bool | int, Any):
        assert type(coerce(3, hint, "rate")) is int
    assert coerce(None, float | None, "rate") is None and coerce(True, float | bool, "rate") is True


def test_items_of_tuples() -> None:
    assert get_item_annotation(tuple[int, ...], 5) is int
    assert get_item_annotation(tuple[int, str], 1) is str
    assert get_item_annotation(tuple[int, str], 2) is Any
    assert get_item_annotation(tuple, 0) is get_item_annotation(dict[str, int], 0) is Any
    assert get_item_annotation(list[int], 0) is int


@pytest.mark.parametrize(
    ("hint", "said"),
    [(int, "int"), (tuple[int, ...], r"tuple\[int, \.\.\.\]"), (int | None, r"int \| None")],
)
def test_how_it_is_said(hint: object, said: str) -> None:
    with pytest.raises(ValueError, match=rf"^rank takes {said}, not 'many'$"):
        coerce("many", hint, "rank")
    with pytest.raises(ValueError, match=r'"is": "MODULE:NAME"} of a Box, and its fields$'):
        coerce({"lid": "open"}, Box | None, "box")


@dataclass(frozen=True)
class Box:
    lid: Literal["open", "shut"]

    @property
    def side(self) -> int:
        """Fails for a wrong lid; only fields with choices are read."""
        return {"open": 5, "shut": 6}[self.lid]


def test_names_what_is_allowed(unchecked) -> None:
    check_choices(Box("shut"))
    with pytest.raises(ValueError, match=r"^Box\(lid='ajar'\): allowed are 'open' and 'shut'$"):
        check_choices(Box("ajar"))  # pyright: ignore[reportArgumentType]


def test_suggestions_stay_in_one_line() -> None:
    assert format_suggestions("question", ["que\nstion"]) == " (did you mean que\\nstion?)"
    assert format_suggestions("question", ["answer"]) == ""
