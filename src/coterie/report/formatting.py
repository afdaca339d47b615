"""Numbers as text, "n/a" where there is none, and as places on an axis; and long text, cut."""

import math
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, NamedTuple, TypeGuard

MISSING = "n/a"
MINUS = "\u2212"
MAX_CHARACTERS = 300
MAX_TICKS = 6


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number; a file may hold NaN, null or text in its place."""
    return isinstance(value, int | float) and math.isfinite(value)


def format_number(value: float | int | None, unit: str = "") -> str:
    """Format with one decimal for percent, else with three significant digits."""
    if not is_number(value):
        return MISSING
    if unit == "%" or 100 <= abs(value) < 1000:
        text = f"{value:.1f}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}"
    return text.replace("-", MINUS)


def format_signed(value: float | None, unit: str = "") -> str:
    """Format as `format_number`, with a plus sign above zero."""
    plus = "+" if is_number(value) and value > 0 else ""
    return plus + format_number(value, unit)


def format_interval(low: float | None, high: float | None, unit: str = "") -> str:
    """Format both ends with equally many decimals; empty if one is missing."""
    if not (is_number(low) and is_number(high)):
        return ""
    if unit == "%":
        return f"{format_number(low, unit)} to {format_number(high, unit)}"
    decimals = choose_decimals((low, high))
    decimals = 1 if not decimals and max(abs(low), abs(high)) < 1000 else decimals
    return f"{format_fixed(low, decimals)} to {format_fixed(high, decimals)}"


def format_decimals(value: float | None) -> str:
    """Format with two decimals; a number that rounds to zero has no sign."""
    return f"{value:z.2f}".replace("-", MINUS) if is_number(value) else MISSING


def choose_decimals(values: Iterable[float | int | None]) -> int:
    """Return the decimals with which the largest of the numbers has three digits."""
    largest = max((abs(value) for value in values if is_number(value)), default=0.0)
    return 0 if largest >= 100 else 1 if largest >= 10 else 2 if largest >= 1 else 3


def format_fixed(value: float | int | None, decimals: int) -> str:
    """Format with as many decimals as the other numbers of a column."""
    return f"{value:,.{decimals}f}".replace("-", MINUS) if is_number(value) else MISSING


def format_count(value: float | int | None) -> str:
    """Format a count with K, M, G, T (powers of 1000)."""
    if not is_number(value):
        return MISSING
    for limit, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {letter}"
    return f"{value:.3g}"


def format_size(value_bytes: float | int | None) -> str:
    """Format bytes in MiB or GiB."""
    if not is_number(value_bytes):
        return MISSING
    if value_bytes >= 2**30:
        return f"{value_bytes / 2**30:.2f} GiB"
    return f"{value_bytes / 2**20:.0f} MiB"


def format_duration(value_s: float | int | None) -> str:
    """Format seconds as hours, minutes or seconds."""
    if not is_number(value_s):
        return MISSING
    if value_s < 100:
        return f"{value_s:.1f} s"
    hours, minutes = divmod(round(value_s / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def strip_common_prefix(names: Sequence[str]) -> list[str]:
    """Remove the dotted parts that all names share at the front."""
    parts = [name.split(".") for name in names]
    alike = (len(names) > 1 and len(set(column)) == 1 for column in zip(*parts, strict=False))
    front = sum(takewhile(bool, alike))
    return [".".join(each[front:] or each) for each in parts]


def truncate(text: Any) -> str:
    """Cut a text to MAX_CHARACTERS, and say how many more there are."""
    text = str(text)
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]} ... ({len(text) - MAX_CHARACTERS} more characters)"


class Axis(NamedTuple):
    """An axis from `low` to `high`."""

    low: float
    high: float

    def to_percent(self, value: float) -> float:
        """Convert to percent of the length; values off the axis are at its end, NaN at 0."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(100 * min(max(0.0, share), 1.0), 2)

    def list_ticks(self) -> list[tuple[float, str]]:
        """List percent of the length and label of at most MAX_TICKS round values.

        They are multiples of 1, 2 or 5 times a power of ten.
        """
        step = round_step((self.high - self.low) / (MAX_TICKS - 1))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [round(i * step, 12) for i in range(first, last + 1)][:MAX_TICKS]
        return [(self.to_percent(each), f"{each:,.10g}".replace("-", MINUS)) for each in values]


def make_axis(values: Iterable[float], *, zero: bool = False) -> Axis:
    """Make an axis of all finite values, ends rounded outward; with `zero`, zero too."""
    held = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
    if not held:
        return Axis(0.0, 1.0)
    low, high = min(held), max(held)
    step = round_step(((high - low) or abs(high) or 1.0) / 5)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return Axis(round(low, 12), round(high if high > low else low + step, 12))


def round_step(least: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def format_points(points: Iterable[tuple[float, float]], x: Axis, y: Axis) -> str:
    """Format the points of an SVG polyline, both axes from 0 to 100, y downward."""
    return " ".join(f"{x.to_percent(a):.4g},{100 - y.to_percent(b):.4g}" for a, b in points)
