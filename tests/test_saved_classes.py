"""Classes are found by their public names alone, and nothing outside coterie is imported for it."""

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass

import pytest

from coterie.saved_classes import find_class


class Shape(ABC):
    @abstractmethod
    def area(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Box(Shape):
    def area(self) -> float:
        return 1.0


@dataclass
class Loose:
    side: float = 1.0


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"{__name__}:Bix", "has no frozen dataclass 'Bix' (did you mean Box?)"),
        (f"{__name__}:Loose", "has no frozen dataclass 'Loose'"),
        (f"{__name__}:Shape", "has no frozen dataclass 'Shape'"),
        (f"{__name__}:Box.area", "has no frozen dataclass 'Box.area'"),
        (f"{__name__}:Box.area.x", "has no frozen dataclass 'Box.area.x'"),
        ("coterie.losses.z:ZLoss", "coterie.losses.z exports no saved classes (did you "),
        ("coterie.los:ZLoss", "exports no saved classes (did you mean coterie.losses or "),
        ("coterie.losses:ZLos", "has no frozen dataclass 'ZLos' (did you mean ZLoss?)"),
        ("coterie:ZLos", "has no frozen dataclass 'ZLos' (did you mean ZLoss?)"),
        ("coterie:train", "has no frozen dataclass 'train'"),
        ("coterie..z:ZLoss", "value.is = 'coterie..z:ZLoss': give \"module:Name\""),
        ("coterie.losses.z", 'give "module:Name"'),
        (3, 'value.is = 3: give "module:Name"'),
        ("coterie.__main__:X", "coterie.__main__ exports no saved classes"),
        ("this:Zen", "this is not imported, and loading imports nothing outside coterie"),
        ("os:system", "os has no frozen dataclass 'system'"),
    ],
)
def test_it_says_what_is_wrong(path: object, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        find_class(path, "value")
    assert message in str(caught.value)
    assert "this" not in sys.modules


def test_it_runs_no_lazy_import(monkeypatch: pytest.MonkeyPatch) -> None:
    def trap(name: str) -> object:
        raise AssertionError(f"asked for {name}")

    monkeypatch.setattr(sys.modules[__name__], "__getattr__", trap, raising=False)
    with pytest.raises(ValueError, match="no frozen dataclass 'Lazy'"):
        find_class(f"{__name__}:Lazy", "value")
