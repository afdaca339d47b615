"""Markdown tables, and the numbers in them."""

import math
from collections.abc import Mapping, Sequence

from coterie.evaluate.intervals import Interval

COSTS = (
    ("trainable_parameters", "trainable, M", 1e-6),
    ("active_parameters", "active, M", 1e-6),
    ("total_parameters", "total, M", 1e-6),
    ("flops_per_sample", "GFLOP a sample", 1e-9),
    ("peak_memory_bytes", "peak memory, GiB", 2**-30),
    ("train_time_s", "training, s", 1.0),
    ("samples_per_s", "trained samples/s", 1.0),
    ("generate_samples_per_s", "answers/s", 1.0),
)
"""A cost, the title of its column, and what its numbers are multiplied by there."""


def format_markdown_table(head: list[str], lines: list[list[str]]) -> str:
    """Return a markdown table with aligned columns: the first to the left, numbers to the right."""
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (head, *lines)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    padded = ([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def format_interval(cell: Interval | None, *, sign: bool = False) -> str:
    """Return "81.2 [78.0, 84.1]", in three digits or more; of None an empty text."""
    if cell is None:
        return ""
    if not math.isfinite(cell.value):
        return "undefined"
    known = [value for value in cell if math.isfinite(value)]
    largest = max(map(abs, known))
    digits = 1 if largest >= 10 or largest == 0 else 2 if largest >= 1 else 3
    texts = [f"{value:{'+' if sign else ''}.{digits}f}" for value in known]
    return texts[0] if len(texts) < 3 else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def format_share(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else "undefined"


def format_costs(values: Sequence[float | int | None], scale: float) -> list[str]:
    """Format a column's numbers with equally many decimals: the smallest has two digits.

    There are at most four decimals, and none where all numbers are 100 or more.
    """
    scaled = [None if value is None else value * scale for value in values]
    least = min((abs(number) for number in scaled if number), default=0.0)
    digits = 0 if least >= 100 else 1 if least >= 10 else 2 if least >= 1 else 4
    return ["" if number is None else f"{number:,.{digits}f}" for number in scaled]


def format_cost_table(costs: Mapping[str, Mapping[str, float | int | None]]) -> str:
    """Format the costs of each system as a markdown table; "" if none is known."""
    given = {key for cost in costs.values() for key, value in cost.items() if value is not None}
    known = [cost for cost in COSTS if cost[0] in given]
    if not known:
        return ""
    columns = [
        format_costs([cost.get(key) for cost in costs.values() if cost], scale)
        for key, _, scale in known
    ]
    names = (name for name, cost in costs.items() if cost)
    lines = [list(line) for line in zip(names, *columns, strict=True)]
    return format_markdown_table(["cost", *(title for _, title, _ in known)], lines)
