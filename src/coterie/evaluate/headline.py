"""What limits a comparison, in words: few samples, and systems of unequal size."""

import math
from collections.abc import Mapping

from coterie.evaluate.formatting import format_interval
from coterie.evaluate.intervals import Interval

FEW_SAMPLES = 30
"""Fewer samples than this are named: intervals are then rough, as those of other methods are."""
UNEQUAL = 1.2
"""Numbers of trainable parameters that differ by a larger factor are named."""


def describe_few_samples(samples: Mapping[str, int]) -> str:
    """Return a warning that names the tasks with too few samples, with their numbers; "" if none.

    `samples` are those of each task.
    """
    few = {task: count for task, count in samples.items() if count < FEW_SAMPLES}
    if not few:
        return ""
    listed = ", ".join(f"{task} has {count}" for task, count in few.items())
    return f"fewer than {FEW_SAMPLES} samples: {listed}; take such scores and intervals as rough"


def describe_sizes(
    name: str, cost: Mapping[str, float | int | None], other: str,
    other_cost: Mapping[str, float | int | None],
) -> str:  # fmt: skip
    """Return that two systems train unequal numbers of parameters, with both; "" if they do not."""
    mine, others = (each.get("trainable_parameters") for each in (cost, other_cost))
    if not mine or not others or 1 / UNEQUAL <= mine / others <= UNEQUAL:
        return ""
    times = max(mine, others) / min(mine, others)
    more, fewer = (name, other) if mine > others else (other, name)
    return (
        f"not of equal size: {name} trains {format_millions(mine)} parameters and {other} "
        f"{format_millions(others)}, {more} {times:.3g} times as many as {fewer}"
    )


def format_millions(count: float | int) -> str:
    """Format a count with K, M or G (powers of 1000)."""
    for limit, letter in ((1e9, " G"), (1e6, " M"), (1e3, " K")):
        if count >= limit:
            return f"{count / limit:.3g}{letter}"
    return f"{count:.3g}"


def describe_delta(delta: Interval) -> str:
    """Say what a delta_m is, and whether its interval shows that a system is better or worse."""
    if not math.isfinite(delta.value):
        return "undefined"
    is_open = delta.verdict == "open"
    said = "no difference is shown" if is_open else f"{delta.verdict} on the whole"
    return f"{format_interval(delta, sign=True)} %, {said}"
