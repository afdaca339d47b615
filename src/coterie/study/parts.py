"""The parts of a study, what is left of them, and a guess of how long that takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from coterie.progress import format_duration


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a study, which is skipped or finds its results if it was done before.

    Attributes:
        kind: parts of one kind take about as long a unit.
        name: what is done.
        units: steps of a training, tasks of an evaluation.
        work: does it, and returns what is to be said of it.
        is_done: whether its results are there.
    """

    kind: str
    name: str
    work: Callable[[], str]
    is_done: Callable[[], bool]
    units: int = 1


@dataclass
class Pace:
    """Seconds a unit of each kind of part, as far as they were measured."""

    seconds: dict[str, float] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, units: int, seconds: float) -> None:
        """Add a part that was done now."""
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds
        self.units[kind] = self.units.get(kind, 0) + units

    def estimate(self, left: Sequence[Part]) -> float:
        """Return the seconds of the parts whose kind was measured."""
        known = (each for each in left if each.kind in self.units)
        parts = (each.units * self.seconds[each.kind] / self.units[each.kind] for each in known)
        return sum(parts, 0.0)

    def describe(self, left: Sequence[Part]) -> str:
        """Return a guess of the time left; empty for nothing left or nothing known."""
        if not (seconds := self.estimate(left)):
            return ""
        unknown = dict.fromkeys(each.kind for each in left if each.kind not in self.units)
        without = f" and the time to {' and '.join(unknown)}" if unknown else ""
        return f"about {format_duration(seconds)}{without} left"
