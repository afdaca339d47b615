"""Heat maps of a conflict: cosines overall and by layer group, and the transfer."""

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from coterie.diagnose.conflict import Conflict, Matrix
from coterie.optional_imports import import_optional

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = "RdBu"  # red below 0, blue above; distinct with any colour vision
COLUMNS = 5
LABEL_WIDTH_INCHES = 3.2


def draw_conflict(conflict: Conflict) -> "Figure":
    """Draw heat maps of the cosines, overall and by layer group, and of the transfer.

    Does not use pyplot, and so can be called in a server.
    Raises ValueError if matplotlib is missing.
    """
    module = import_optional("matplotlib.figure", "report")
    count = len(conflict.tasks)
    side = max(3.0, 0.55 * count)
    small = max(1.6, 0.2 * count)
    rows = -(-len(conflict.groups) // COLUMNS)
    width = max(2 * (side + LABEL_WIDTH_INCHES), COLUMNS * (small + 0.5) + LABEL_WIDTH_INCHES)
    heights = [side + 2.0, rows * (small + 0.6) + 0.4]
    figure = module.Figure(figsize=(width, sum(heights)), layout="constrained")
    parts = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_overall(parts[0], conflict)
    _draw_groups(parts[1], conflict, rows)
    return figure


def _draw_overall(figure: Any, conflict: Conflict) -> None:
    left, right = figure.subplots(1, 2)
    image = _draw_heatmap(left, conflict.overall, conflict.tasks, most=1.0, digits=2)
    left.set_title("Gradient cosine, all layers\n(below 0: the tasks pull against each other)")
    figure.colorbar(image, ax=left, shrink=0.7)
    if not conflict.transfer:
        right.set_axis_off()
        return
    changes = [[100 * value for value in row] for row in conflict.transfer]
    most = max([abs(v) for row in changes for v in row if math.isfinite(v)], default=0.0) or 1.0
    # Reversed colours: red is harm in both maps.
    reverse = f"{COLOURS}_r"
    image = _draw_heatmap(right, changes, conflict.tasks, most=most, digits=1, colours=reverse)
    right.set_title("Change of the column's loss, %\nafter a step on the row (above 0: harm)")
    figure.colorbar(image, ax=right, shrink=0.7)


def _draw_groups(figure: Any, conflict: Conflict, rows: int) -> None:
    figure.suptitle("Gradient cosine by layer", fontsize="medium")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    for position, panel in enumerate(panels):
        if position >= len(conflict.groups):
            panel.set_axis_off()
            continue
        _draw_heatmap(panel, conflict.cosine[position], conflict.tasks, most=1.0, digits=None)
        panel.set_title(conflict.groups[position], fontsize="small")
        panel.set_xticks([])
        if position % COLUMNS:
            panel.set_yticks([])


def _draw_heatmap(
    axes: Any,
    values: Matrix | Sequence[Sequence[float]],
    tasks: Sequence[str],
    *,
    most: float,
    digits: int | None,
    colours: str = COLOURS,
) -> Any:
    """Draw one heat map from -most to most, with numbers in the cells unless `digits` is None."""
    image = axes.imshow(values, cmap=colours, vmin=-most, vmax=most)
    places = range(len(tasks))
    axes.set_yticks(places, labels=tasks, fontsize="small")
    axes.set_xticks(places, labels=tasks, rotation=45, ha="right", fontsize="small")
    axes.tick_params(length=0)
    if digits is None:
        return image
    for row, column in product(places, places):
        value = values[row][column]
        if math.isfinite(value):
            color = "white" if abs(value) > 0.6 * most else "black"
            style = {"ha": "center", "va": "center", "fontsize": "x-small", "color": color}
            axes.text(column, row, f"{value:.{digits}f}", **style)
    return image
