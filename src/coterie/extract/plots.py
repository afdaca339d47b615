"""Figure of a task's score by the parameters of pruned models."""

from pathlib import Path
from typing import Any

from coterie.extract.score_curve import MAX_POINTS_BELOW_FULL, ScoreCurve
from coterie.optional_imports import import_optional


def draw(curve: ScoreCurve, *, within: float = MAX_POINTS_BELOW_FULL) -> Any:
    """Draw a `matplotlib.figure.Figure`, without pyplot.

    The full model is a dashed line; the band below it is `within` points wide, and the smallest
    model in it has a ring.
    Raises ValueError if matplotlib is missing.
    """
    figure = import_optional("matplotlib.figure", "report").Figure(
        figsize=(6.0, 4.0), layout="constrained"
    )
    axes = figure.subplots()
    rows = curve.to_rows()
    shares = [100 * row["share"] for row in rows]
    scores = [row["score"] for row in rows]
    axes.plot(shares, scores, marker="o", color="tab:blue")
    for row, share, score in zip(rows, shares, scores, strict=True):
        axes.annotate(f"{row['threshold']:g}", (share, score), xytext=(3, 5),
                      textcoords="offset points", fontsize="x-small")  # fmt: skip
    axes.axhline(curve.full_score, color="black", linestyle="--", linewidth=1)
    scale = 1 if curve.unit == "%" else abs(curve.full_score) / 100
    limit = curve.full_score - within * scale * (1 if curve.higher_is_better else -1)
    axes.axhspan(*sorted((curve.full_score, limit)), color="black", alpha=0.1, linewidth=0)
    best = curve.find_smallest_within(within=within)
    if best is not None:
        share = 100 * best.parameters.total / curve.full_parameters.total
        axes.plot(share, best.score, marker="o", markersize=12,
                  markerfacecolor="none", color="black", linestyle="")  # fmt: skip
    better = "higher" if curve.higher_is_better else "lower"
    axes.set_title(f"{curve.task}, {curve.samples} images of {curve.split}", fontsize="medium")
    axes.set_ylabel(f"{curve.metric}{f', {curve.unit}' if curve.unit else ''}; {better} is better")
    axes.set_xlabel(
        f"parameters kept, % of {curve.full_parameters.total / 1e6:.3g} M; labels: threshold"
    )
    return figure


def save(curve: ScoreCurve, to: str | Path) -> Path:
    """Write the figure in the format of the file's suffix, such as .svg or .png."""
    to = Path(to)
    draw(curve).savefig(to, dpi=150)
    return to
