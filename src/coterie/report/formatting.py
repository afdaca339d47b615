"""Numbers as text: short, with a unit, and "n/a" where there is none; and long text, cut."""

import math
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, TypeGuard

MISSING = "n/a"
MINUS = "\u2212"
MAX_CHARACTERS = 300


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
    """Format both ends; empty if one is missing."""
    if not (is_number(low) and is_number(high)):
        return ""
    return f"{format_number(low, unit)} to {format_number(high, unit)}"


def format_decimals(value: float | None) -> str:
    """Format with two decimals; a number that rounds to zero has no sign."""
    return f"{value:z.2f}".replace("-", MINUS) if is_number(value) else MISSING


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
