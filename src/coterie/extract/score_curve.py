"""`ScoreCurve`: scores of pruned models by their parameters, as table, JSON, CSV and figure."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.extract.expert_selection import LayerUse, compute_lost_choices
from coterie.extract.parameter_counts import ParameterCounts
from coterie.io import write, write_json, write_with
from coterie.optional_imports import import_optional

MAX_POINTS_BELOW_FULL = 0.2


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One pruned model; `remaining_experts` has the indices of the experts in each layer."""

    threshold: float
    parameters: ParameterCounts
    remaining_experts: Mapping[str, tuple[int, ...]]
    score: float

    @property
    def experts(self) -> int:
        """The number of remaining experts, over all layers."""
        return sum(map(len, self.remaining_experts.values()))


@dataclass(frozen=True, kw_only=True)
class ScoreCurve:
    """Scores of a task by the parameters of pruned models.

    Attributes:
        split: whose images were scored, as many as `samples`.
        measured_on: the split on which usage was measured; None if it was given.
        metric: as scores.json names it.
        unit: of the scores; "%" for shares in 0 to 100.
        full_score: of the full model that predicts the task alone.
        usage: layer -> {"chosen": share of units by expert} of the full model on the scored
            images.
    """

    task: str
    split: str
    samples: int
    measured_on: str | None
    metric: str
    unit: str
    higher_is_better: bool
    full_score: float
    full_parameters: ParameterCounts
    usage: Mapping[str, LayerUse]
    points: tuple[CurvePoint, ...]

    def compute_points_below_full(self, point: CurvePoint) -> float:
        """Compute how many points a pruned model is worse than the full one; below 0 if better.

        A point is a percentage point where the score is a share, else a percent of the full
        model's score, as in delta_m.
        """
        full, own = self.full_score, point.score
        behind = full - own if self.higher_is_better else own - full
        return behind if self.unit == "%" else 100 * behind / abs(full)

    def find_smallest_within(self, *, within: float = MAX_POINTS_BELOW_FULL) -> CurvePoint | None:
        """Return the smallest pruned model that is at most `within` points worse; None if none is.

        To report its score without bias, score it on images that did not select it.
        """
        near = [point for point in self.points if self.compute_points_below_full(point) <= within]
        return min(near, key=lambda point: point.parameters.total, default=None)

    def to_rows(self) -> list[dict[str, float | int]]:
        """Return one row for each point; `choices_lost` is a mean over layers, on scored images."""
        found: list[dict[str, float | int]] = []
        for point in self.points:
            lost = compute_lost_choices(self.usage, point.remaining_experts).values()
            row = {"threshold": point.threshold, "experts": point.experts}
            row |= point.parameters.dump(self.full_parameters)
            row |= {"choices_lost": sum(lost) / len(lost), "score": point.score}
            found.append(row | {"points_worse": self.compute_points_below_full(point)})
        return found

    def dump(self) -> dict[str, Any]:
        """Return the curve as JSON values."""
        plain = ("task", "split", "samples", "measured_on", "metric", "unit", "higher_is_better")
        best = self.find_smallest_within()
        return {
            **{name: getattr(self, name) for name in plain},
            "whole": {"score": self.full_score, **self.full_parameters.dump(self.full_parameters)},
            "within": MAX_POINTS_BELOW_FULL,
            "smallest_within": None if best is None else best.threshold,
            "points": self.to_rows(),
        }

    def save(self, folder: str | Path) -> Path:
        """Write curve.json and curve.csv; return the folder."""
        rows, text = self.to_rows(), io.StringIO()
        lines = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)
        folder = Path(folder).expanduser()
        write(folder / "curve.csv", text.getvalue())
        write_json(folder / "curve.json", self.dump())
        return folder

    def to_markdown(self) -> str:
        """Return a table of the points."""
        lines = [
            "| threshold | experts | parameters, M | of the whole | of its experts "
            "| score | points worse |",
            "|" + "--:|" * 7,
        ]
        lines += [
            f"| {row['threshold']:g} | {row['experts']} | {row['parameters'] / 1e6:.3g} "
            f"| {row['share']:.1%} | {row['share_of_experts']:.1%} | {row['score']:.4g} "
            f"| {row['points_worse']:.2f} |"
            for row in self.to_rows()
        ]
        return "\n".join(lines)

    def draw(self, *, within: float = MAX_POINTS_BELOW_FULL) -> Any:
        """Draw a `matplotlib.figure.Figure`, without pyplot.

        The full model is a dashed line; the band below it is `within` points wide, and the smallest
        model in it has a ring.
        Raises ValueError if matplotlib is missing.
        """
        module = import_optional("matplotlib.figure", "report")
        figure = module.Figure(figsize=(6.0, 4.0), layout="constrained")
        axes = figure.subplots()
        rows = self.to_rows()
        shares = [100 * row["share"] for row in rows]
        scores = [row["score"] for row in rows]
        axes.plot(shares, scores, marker="o", color="tab:blue")
        for row, share, score in zip(rows, shares, scores, strict=True):
            axes.annotate(f"{row['threshold']:g}", (share, score), xytext=(3, 5),
                          textcoords="offset points", fontsize="x-small")  # fmt: skip
        axes.axhline(self.full_score, color="black", linestyle="--", linewidth=1)
        scale = 1 if self.unit == "%" else abs(self.full_score) / 100
        limit = self.full_score - within * scale * (1 if self.higher_is_better else -1)
        axes.axhspan(*sorted((self.full_score, limit)), color="black", alpha=0.1, linewidth=0)
        if best := self.find_smallest_within(within=within):
            share = 100 * best.parameters.total / self.full_parameters.total
            axes.plot(share, best.score, marker="o", markersize=12,
                      markerfacecolor="none", color="black", linestyle="")  # fmt: skip
        unit = f", {self.unit}" if self.unit else ""
        better = "higher" if self.higher_is_better else "lower"
        axes.set_title(f"{self.task}, {self.samples} images of {self.split}", fontsize="medium")
        axes.set_ylabel(f"{self.metric}{unit}; {better} is better")
        total = f"{self.full_parameters.total / 1e6:.3g} M"
        axes.set_xlabel(f"parameters kept, % of {total}; labels: threshold")
        return figure

    def save_figure(self, to: str | Path) -> Path:
        """Write the figure in the format of the file's suffix, such as .svg or .png."""
        to = Path(to)
        figure, kind = self.draw(), to.suffix.removeprefix(".")
        return write_with(to, lambda file: figure.savefig(file, dpi=150, format=kind))
