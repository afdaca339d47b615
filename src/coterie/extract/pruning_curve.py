"""`score_curve`: what a run's task scores on its data set as experts are cut away."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn

from coterie.extract.expert_usage import SPLIT, resolve_usage
from coterie.extract.parameter_counts import (
    ParameterCounts,
    count_model_parameters,
    count_pruned_parameters,
)
from coterie.extract.pictures import BATCH
from coterie.extract.pruning import (
    LayerUse,
    PruningOptions,
    check,
    compute_lost_choices,
    prune,
    select_remaining_experts,
)
from coterie.extract.source import open_source
from coterie.io import write, write_json
from coterie.models.pruned_vision.modeling import PrunedVisionModel
from coterie.routing.usage import ExpertUsage, select_task
from coterie.tasks.dense.inference import run_inference
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.task_set import DenseTasks
from coterie.train import Run

THRESHOLDS = (0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.4, 1.0)
"""By the rule of `keeping.kept`, the share of tokens that must choose an expert for it to stay; at
1 only as many stay as a token uses."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One pruned model.

    Attributes:
        threshold: see `Pruning`.
        size: numbers in its weights.
        stay: layer -> numbers of the experts that stay.
        score: what `score` said of it.
    """

    threshold: float
    parameters: ParameterCounts
    remaining_experts: Mapping[str, tuple[int, ...]]
    score: float

    @property
    def experts(self) -> int:
        """How many experts stay, all layers together."""
        return sum(map(len, self.remaining_experts.values()))


def compute_pruning_curve(
    model: PeftModel,
    *,
    task: str,
    use: Mapping[str, LayerUse],
    score: Callable[[PrunedVisionModel], float],
    thresholds: Sequence[float] = THRESHOLDS,
    exact: bool = True,
    adapter: str = "default",
) -> Iterator[CurvePoint]:
    """The points, in the order of the thresholds; models that are alike are scored once.

    Args:
        model, task, use, adapter: as `pruned` takes them.
        score: says how good a pruned model is, for instance by a metric on rows it has not seen.
            It may tune the model first, which is a copy.
        thresholds: of each point.
        exact: see `Pruning`.

    Raises ValueError as `pruned`.
    """
    check(model, task, adapter)
    seen: dict[Any, tuple[ParameterCounts, float]] = {}
    for threshold in thresholds:
        pruning = PruningOptions(threshold=threshold, exact=exact)
        stay = select_remaining_experts(model, use, threshold, adapter)
        key = tuple(stay.values())
        if key not in seen:
            small = prune(model, task=task, use=use, pruning=pruning, adapter=adapter)
            seen[key] = (count_pruned_parameters(small), float(score(small)))
        size, value = seen[key]
        yield CurvePoint(threshold=threshold, parameters=size, remaining_experts=stay, score=value)


ADAPTER_NAME = "default"
MAX_POINTS_BELOW_FULL = 0.2


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
    full_score: float
    full_parameters: ParameterCounts
    usage: Mapping[str, LayerUse]
    points: tuple[CurvePoint, ...]

    def compute_points_below_full(self, point: CurvePoint) -> float:
        """By how many points a cut model is worse than the whole; below 0 it is better.

        A point is a percent point where the score is a share, else a percent of the whole's
        score, as delta_m counts.
        """
        behind = (
            self.full_score - point.score
            if self.higher_is_better
            else point.score - self.full_score
        )
        return behind if self.unit == "%" else 100 * behind / abs(self.full_score)

    def find_smallest_within(self, *, within: float = MAX_POINTS_BELOW_FULL) -> CurvePoint | None:
        """The cut model of fewest parameters that is not more than `within` points worse.

        To report its score, score it on pictures by which it was not chosen.
        """
        near = [point for point in self.points if self.compute_points_below_full(point) <= within]
        return min(near, key=lambda point: point.parameters.total, default=None)

    def to_rows(self) -> list[dict[str, float | int]]:
        """A row a point; `choices_lost` is the mean over layers, on the scored pictures."""
        found: list[dict[str, float | int]] = []
        for point in self.points:
            gone = list(compute_lost_choices(self.usage, point.remaining_experts).values())
            row: dict[str, float | int] = {"threshold": point.threshold, "experts": point.experts}
            row |= point.parameters.dump(self.full_parameters)
            row |= {"choices_lost": sum(gone) / len(gone), "score": point.score}
            found.append(row | {"points_worse": self.compute_points_below_full(point)})
        return found

    def dump(self) -> dict[str, Any]:
        """The curve as JSON can hold it."""
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
        """Writes curve.json and curve.csv; returns the folder."""
        rows, text = self.to_rows(), io.StringIO()
        lines = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)
        write(Path(folder) / "curve.csv", text.getvalue())
        write_json(Path(folder) / "curve.json", self.dump())
        return Path(folder)

    def to_markdown(self) -> str:
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
            for row in self.to_rows()
        ]
        return "\n".join(lines)


def measure_score_curve(
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
    tasks = run.config.tasks
    if not isinstance(tasks, DenseTasks):
        raise ValueError(f"{run.folder} is no run on a dense data set, and has no curve")
    source = open_source(run)
    check(source.model, task, ADAPTER_NAME)
    source.model.to(device or "cpu").requires_grad_(False)
    seen = resolve_usage(source, task, use, adapter=ADAPTER_NAME)
    kind = tasks.get_task(task)
    rows = tasks.load_evaluation_rows(split, limit=limit, skip_bad_rows=run.config.skip_bad_rows)
    usage = ExpertUsage((task,))

    def score(model: nn.Module, told: Any = None) -> float:
        model.to(device or "cpu")
        pixels = source.processor.normalize_images
        found = run_inference(
            model, rows, [kind], pixels=pixels, batch_size=batch_size, on_routing=told
        )
        return kind.make_metric().score(found.statistics[task].sum(0))

    whole = score(source.model, usage.add)
    points = compute_pruning_curve(
        source.model, task=task, use=seen.choice_shares, score=score, thresholds=thresholds
    )
    return ScoreCurve(
        task=task, split=split, samples=len(rows), measured_on=seen.split, full_score=whole,
        full_parameters=count_model_parameters(source.model), usage=select_task(usage.compute_means(), task), points=tuple(points), **get_metric_fields(kind),
    )  # fmt: skip


def get_metric_fields(task: DenseTask) -> dict[str, Any]:
    """What its metric says of itself."""
    metric = task.make_metric()
    return {
        "metric": str(metric),
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
    }
