"""A chart's axis: values to percent of its length, and round numbers along it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`."""

    low: float
    high: float

    def to_percent(self, value: float) -> float:
        """Where `value` stands, in percent of the length; values off the axis stand at its end."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def make_ticks(self, most: int = 6) -> list[float]:
        """At most `most` round values on the axis: multiples of 1, 2 or 5 times a power of ten."""
        step = round_step((self.high - self.low) / max(most - 1, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)][:most]


def make_axis(values: Iterable[float], *, zero: bool = False) -> Axis:
    """An axis that holds all finite values, its ends rounded outward; with `zero`, zero too."""
    held = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
    if not held:
        return Axis(0.0, 1.0)
    low, high = min(held), max(held)
    step = round_step(((high - low) or abs(high) or 1.0) / 5)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return Axis(round(low, 12), round(high if high > low else low + step, 12))


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
