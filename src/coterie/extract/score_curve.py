"""`score_curve`: what a run's task scores on its data set as experts are cut away."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coterie.dense.scoring import scored
from coterie.dense.task import DenseTask
from coterie.evaluate.pictures import rows_of
from coterie.evaluate.routing import Use
from coterie.extract.curve import THRESHOLDS, Point, curve
from coterie.extract.keeping import lost
from coterie.extract.pictures import BATCH
from coterie.extract.pruned import LayerUse, check
from coterie.extract.run import opened
from coterie.extract.size import Size, whole_size
from coterie.extract.using import SPLIT, using
from coterie.train import Run
from coterie.train.whole import write, write_json

ADAPTER = "default"
WITHIN = 0.2


@dataclass(frozen=True, kw_only=True)
class ScoreCurve:
    """Scores of a task against the parameters that are kept.

    Attributes:
        task: its name.
        split: whose pictures were scored.
        samples: how many.
        measured_on: the split on which the use was seen; None if it was given.
        metric: as scores.json calls it.
        unit: of the scores; "%" for shares in 0 to 100.
        higher_is_better: which way is good.
        whole: the score of the whole model asked for the task alone.
        size: of the whole model.
        use: layer -> {"chosen": share of units by expert} of the whole on the scored pictures.
        points: one a threshold.
    """

    task: str
    split: str
    samples: int
    measured_on: str | None
    metric: str
    unit: str
    higher_is_better: bool
    whole: float
    size: Size
    use: Mapping[str, LayerUse]
    points: tuple[Point, ...]

    def worse(self, point: Point) -> float:
        """By how many points a cut model is worse than the whole; below 0 it is better.

        A point is a percent point where the score is a share, else a percent of the whole's
        score, as delta_m counts.
        """
        behind = self.whole - point.score if self.higher_is_better else point.score - self.whole
        return behind if self.unit == "%" else 100 * behind / abs(self.whole)

    def smallest(self, *, within: float = WITHIN) -> Point | None:
        """The cut model of fewest parameters that is not more than `within` points worse.

        To report its score, score it on pictures by which it was not chosen.
        """
        near = [point for point in self.points if self.worse(point) <= within]
        return min(near, key=lambda point: point.size.total, default=None)

    def rows(self) -> list[dict[str, float | int]]:
        """A row a point; `choices_lost` is the mean over layers, on the scored pictures."""
        found: list[dict[str, float | int]] = []
        for point in self.points:
            gone = list(lost(self.use, point.stay).values())
            row: dict[str, float | int] = {"threshold": point.threshold, "experts": point.experts}
            row |= point.size.dump(self.size)
            row |= {"choices_lost": sum(gone) / len(gone), "score": point.score}
            found.append(row | {"points_worse": self.worse(point)})
        return found

    def dump(self) -> dict[str, Any]:
        """The curve as JSON can hold it."""
        plain = ("task", "split", "samples", "measured_on", "metric", "unit", "higher_is_better")
        best = self.smallest()
        return {
            **{name: getattr(self, name) for name in plain},
            "whole": {"score": self.whole, **self.size.dump(self.size)},
            "within": WITHIN,
            "smallest_within": None if best is None else best.threshold,
            "points": self.rows(),
        }

    def save(self, folder: str | Path) -> Path:
        """Writes curve.json and curve.csv; returns the folder."""
        rows, text = self.rows(), io.StringIO()
        lines = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)
        write(Path(folder) / "curve.csv", text.getvalue())
        write_json(Path(folder) / "curve.json", self.dump())
        return Path(folder)

    def markdown(self) -> str:
        """A table of the points."""
        lines = [
            "| threshold | experts | parameters, M | of the whole | of its experts "
            "| score | points worse |",
            "|--:|--:|--:|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {row['threshold']:g} | {row['experts']} | {row['parameters'] / 1e6:.3g} "
            f"| {row['share']:.1%} | {row['share_of_experts']:.1%} | {row['score']:.4g} "
            f"| {row['points_worse']:.2f} |"
            for row in self.rows()
        ]
        return "\n".join(lines)


def score_curve(
    run: Run | str | Path,
    *,
    task: str,
    use: Mapping[str, LayerUse] | str = SPLIT,
    split: str = "test",
    thresholds: Sequence[float] = THRESHOLDS,
    limit: int | None = None,
    batch_size: int = BATCH,
    device: str | torch.device | None = None,
) -> ScoreCurve:
    """Cuts a task out at several thresholds, and scores the whole and each cut alike.

    Args:
        run: on a dense data set, or its folder.
        task: one of its tasks.
        use: the split on which the use of experts is measured, another than is scored, or what
            was found was made to fit; or the use itself.
        split: whose pictures are scored.
        thresholds: at least one; see `Pruning`.
        limit: pictures that are scored, the same ones in every run; None for all.
        batch_size: pictures a pass, at least 1.
        device: where the models run; None for the CPU.

    Raises ValueError for a run that is not on pictures, or not trained, an unknown task, mixtures
    that cannot be cut, and splits that there are not.
    """
    run = run if isinstance(run, Run) else Run.read(run)
    pictures = run.plan.pictures
    if pictures is None:
        raise ValueError(f"{run.folder} is no run on a dense data set, and has no curve")
    source = opened(run)
    check(source.model, task, ADAPTER)
    source.model.to(device or "cpu").requires_grad_(False)
    seen = using(source, task, use, adapter=ADAPTER)
    kind = next(each for each in pictures.tasks if each.name == task)
    rows = rows_of(run, pictures, split, limit)
    chosen = Use()

    def score(model: nn.Module, told: Any = None) -> float:
        model.to(device or "cpu")
        pixels = source.processor.pixels
        found = scored(model, rows, [kind], pixels=pixels, batch_size=batch_size, told=told)
        return kind.metric().score(found.statistics[task].sum(0))

    whole = score(source.model, chosen.add)
    points = curve(source.model, task=task, use=seen.shares, score=score, thresholds=thresholds)
    return ScoreCurve(
        task=task, split=split, samples=len(rows), measured_on=seen.split, whole=whole,
        size=whole_size(source.model), use=chosen.dump(), points=tuple(points), **said_of(kind),
    )  # fmt: skip


def said_of(task: DenseTask) -> dict[str, Any]:
    """What its metric says of itself."""
    metric = task.metric()
    return {
        "metric": str(metric),
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
    }
