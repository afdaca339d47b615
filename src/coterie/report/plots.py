"""Pictures of a run's experts with matplotlib: who uses which, and how many ranks."""

from typing import TYPE_CHECKING, Any

from coterie.optional_imports import import_optional
from coterie.report.expert_layers import parse_layers
from coterie.report.formatting import strip_common_prefix
from coterie.report.rank_usage import find_rank_usage
from coterie.report.sections.experts import OFTEN, describe_usage
from coterie.report.systems import group_systems

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = "Blues"
COLUMNS = 6


def draw_expert_usage(run: Any) -> "Figure":
    """Draw a heat map for each layer: the share of tokens, or samples, that choose each expert.

    Of a gate that decides once a sample, as awaker's, it is the share of a task's samples. Where
    every expert is always chosen, it is the mean weight.

    Args:
        run: a run or its folder, which was evaluated.

    Raises ValueError if the run has no expert usage, or matplotlib is missing.
    """
    module = import_optional("matplotlib.figure", "report")
    directory = group_systems(run)[0].runs[0].directory
    tasks, layers = parse_layers(directory.try_read_mapping(directory.expert_usage_file))
    if not layers:
        gap = directory.explain(directory.expert_usage_file, "There is no expert usage")
        raise ValueError(
            f"{gap.message}; `{gap.command}` writes it" if gap.command else gap.message
        )
    shown = describe_usage(tasks, layers)
    columns = min(COLUMNS, len(layers))
    rows = -(-len(layers) // columns)
    size = (columns * 2.2 + 2, rows * (0.25 * len(tasks) + 1.1) + 0.6)
    figure = module.Figure(figsize=size, layout="constrained")
    figure.suptitle(shown["statistic"], fontsize="medium")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    most = 1.0 if shown["statistic"] == OFTEN else max(each.max().item() for each in shown["maps"])
    names = strip_common_prefix([each.name for each in layers])
    images = []
    for place, (panel, name) in enumerate(zip(panels, names, strict=False)):
        shade = {"cmap": COLOURS, "vmin": 0, "vmax": most, "aspect": "auto"}
        images.append(panel.imshow(shown["maps"][place], **shade))
        panel.set_title(name, fontsize="x-small")
        panel.set_xticks(range(len(layers[place].experts)))
        panel.set_xticklabels(range(1, 1 + len(layers[place].experts)), fontsize="x-small")
        labels = tasks if place % columns == 0 else [""] * len(tasks)
        panel.set_yticks(range(len(tasks)), labels=labels, fontsize="x-small")
        panel.tick_params(length=0)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    figure.colorbar(images[0], ax=list(panels), shrink=0.7)
    return figure


def draw_rank_usage(run: Any) -> "Figure":
    """Draw the ranks that a token of each task uses against how hard the task is.

    Args:
        run: a run or its folder, which was evaluated.

    Raises ValueError if the tasks of the run use equally many ranks, their number or difficulty is
    not known, or matplotlib is missing.
    """
    module = import_optional("matplotlib.figure", "report")
    system = group_systems(run)[0]
    usage = find_rank_usage(system)
    if usage is None:
        raise ValueError(
            f"{system.runs[0].directory.folder}: there are no ranks to draw: give an evaluated run "
            "of several tasks whose router chooses how many experts there are, such as rode"
        )
    figure = module.Figure(figsize=(5.5, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.margins(0.15)
    axes.scatter(usage.difficulty, usage.ranks)
    for task, x, y in zip(usage.tasks, usage.difficulty, usage.ranks, strict=True):
        axes.annotate(task, (x, y), xytext=(4, 4), textcoords="offset points", fontsize="small")
    axes.set_xlabel(f"Difficulty: {usage.measure}")
    axes.set_ylabel(f"Ranks used by a token, of {usage.total:.3g}")
    note = f"\n({usage.note})" if usage.note else ""
    axes.set_title(f"Spearman correlation {usage.correlation:.2f}{note}", fontsize="medium")
    return figure
