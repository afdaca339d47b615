"""A picture of which experts tasks choose: a map for each layer, and the tree of the tasks."""

from pathlib import Path
from typing import Any

from coterie.evaluate.information import ByTask, compute_choice_frequencies, compute_joint_distribution, compute_mutual_information
from coterie.evaluate.likeness import TaskDendrogram, compute_task_similarity, cluster_tasks
from coterie.extras import import_optional
from coterie.report.experts import strip_common_prefix

COLOURS = "Blues"
COLUMNS = 4


def draw(by_task: ByTask) -> Any:
    """A `matplotlib.figure.Figure`; nothing global of matplotlib is touched.

    Tasks are in the order of the tree. A cell's shade is the share of the task's tokens that
    chose the expert, from 0 to 1 in all layers.

    Args:
        by_task: what `use_by_task` measured.

    Raises ValueError if matplotlib or scipy is missing, or `by_task` is empty.
    """
    found = compute_choice_frequencies(by_task)
    if not found:
        raise ValueError("no layer has a mixture that was seen: measure with use_by_task")
    made = cluster_tasks(tuple(by_task), compute_task_similarity(by_task))
    order = [made.tasks.index(task) for task in made.order]
    rows, high = -(-len(found) // COLUMNS), 0.25 * len(order) + 0.7
    columns = min(COLUMNS, len(found))
    figure = import_optional("matplotlib.figure", "report").Figure(
        figsize=(max(6.0, 2.2 * columns + 1.5), high * rows + high + 1.0), layout="constrained"
    )
    above, below = figure.subfigures(2, 1, height_ratios=[high + 0.5, high * rows + 0.5])
    branches(above.subplots(), made)
    below.suptitle("Share of a task's tokens that choose an expert, by layer", fontsize="medium")
    panels = below.subplots(rows, columns, squeeze=False).flatten()
    for panel in panels[len(found) :]:
        panel.set_axis_off()
    image = None
    for number, (name, map_) in enumerate(zip(strip_common_prefix(list(found)), found.values(),
                                              strict=True)):  # fmt: skip
        panel = panels[number]
        image = panel.imshow(map_[order].numpy(), cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
        nats = compute_mutual_information(compute_joint_distribution(map_))
        panel.set_title(f"{name}\nI(T; E) = {nats:.2f} nats", fontsize="x-small")
        panel.set_yticks(range(len(order)), labels=made.order if number % columns == 0 else [])
        panel.set_xticks(range(map_.shape[1]), labels=[])
        panel.tick_params(length=0, labelsize="small")
        panel.set_xlabel(f"{map_.shape[1]} experts" if number >= len(found) - columns else "",
                         fontsize="x-small")  # fmt: skip
    below.colorbar(image, ax=list(panels), shrink=0.8)
    return figure


def branches(axes: Any, made: TaskDendrogram) -> None:
    """The tree, tasks from top to bottom and distance from left to right."""
    for along, distance in made.lines:
        axes.plot(distance, along, color="black", linewidth=1)
    axes.set_yticks([10 * place + 5 for place in range(len(made.order))], labels=made.order)
    axes.set_ylim(10 * len(made.order), 0)
    axes.set_xlim(left=0)
    axes.set_xlabel("1 - share of choices in common, mean over layers", fontsize="small")
    axes.set_title("Tasks by the experts that they share", fontsize="medium")
    axes.tick_params(axis="y", length=0, labelsize="small")
    axes.spines[["top", "right", "left"]].set_visible(False)


def save(by_task: ByTask, to: str | Path) -> Path:
    """Writes the picture; the file's ending says how, such as .svg or .png."""
    to = Path(to)
    draw(by_task).savefig(to, dpi=150)
    return to
