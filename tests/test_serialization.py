"""Dataclasses come back from JSON as they went, and errors say where they are."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coterie.losses.importance
import coterie.losses.z
from coterie import serialization
from coterie.losses.base import RoutingLoss
from coterie.losses.z import ZLoss


class Shape(ABC):
    @abstractmethod
    def area(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Box(Shape):
    sides: tuple[float, ...]
    label: str | None = None
    inner: "Box | None" = None
    notes: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.sides) != 2:
            raise ValueError(f"sides={self.sides}: give two")

    def area(self) -> float:
        return self.sides[0] * self.sides[1]


@dataclass
class Loose:
    side: float = 1.0


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    leaves.filter(lambda x: not (isinstance(x, float) and math.isinf(x))),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text().filter(lambda key: key != "is"), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, derandomize=True)
@given(values)
def test_round_trip(value: object) -> None:
    box = Box(sides=(1.0, 2.0), inner=Box(sides=(3.0, 4.0)), notes={"any": value})
    assert serialization.loads(serialization.dumps(box), Box) == box


def test_dump_is_the_path_and_then_the_fields_in_order() -> None:
    data = serialization.dump(Box(sides=(1.0, 2.0)))
    assert list(data.items()) == [
        ("is", f"{__name__}:Box"),
        ("sides", [1.0, 2.0]),
        ("label", None),
        ("inner", None),
        ("notes", {}),
    ]


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, {1}, object(), Loose(), Box, {"is": 1}, {1: 2}, b"bytes"],
)
def test_dump_refuses(value: object) -> None:
    with pytest.raises(ValueError, match=r"^recipe\[1\].notes.deep = .* cannot be saved"):
        serialization.dump((1, Box(sides=(1.0, 2.0), notes={"deep": value})), name="recipe")


def test_dump_refuses_a_class_inside_a_function() -> None:
    @dataclass(frozen=True)
    class Inside:
        pass

    with pytest.raises(ValueError, match="define Inside at the top"):
        serialization.dump(Inside())


BOX = f"{__name__}:Box"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"is": BOX, "side": [1.0]}, "recipe[0].side = [1.0]: Box has no field 'side' (did you "),
        ({"is": BOX, "side": [1.0]}, "mean sides?); its fields are sides, label, inner, notes"),
        ({"is": BOX}, "recipe[0].sides is missing: Box needs it"),
        ({"is": BOX, "sides": [1.0]}, "recipe[0]: sides=(1.0,): give two"),
        (
            {"is": BOX, "sides": [1.0, 2.0], "inner": {"is": BOX, "sides": []}},
            "recipe[0].inner: sides=(): give two",
        ),
        ({"is": BOX, "sides": 3}, "recipe[0].sides = 3: give a list with a number"),
        (math.inf, "recipe[0] = inf: give a Box or a number"),
        ({"a": object()}, "recipe[0] = {'a': <object"),
    ],
)
def test_load_says_what_is_wrong(data: object, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        serialization.load([data], tuple[Box | float, ...], name="recipe")
    assert message in str(caught.value)


def test_loads_names_bad_json() -> None:
    with pytest.raises(ValueError, match=r"recipe is not JSON: .* line 2"):
        serialization.loads('{"a": 1,\n]', name="recipe")


def test_kinds_finds_final_classes_in_files() -> None:
    found = serialization.find_kinds(coterie.losses, RoutingLoss)
    assert ZLoss in found
    assert RoutingLoss not in found
    assert [kind.__name__ for kind in found] == sorted(kind.__name__ for kind in found)


def test_json_is_plain() -> None:
    text = serialization.dumps(ZLoss(weight=0.5))
    assert json.loads(text) == {"is": "coterie:ZLoss", "weight": 0.5, "epsilon": 0.0}
    assert text.startswith('{\n  "is": "coterie:ZLoss",\n')
