"""`measure_score_curve`: a task's score at several pruning thresholds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from torch import nn

from coterie.extract.expert_selection import LayerUse, PruningOptions
from coterie.extract.parameter_counts import count_model_parameters, count_pruned_parameters
from coterie.extract.pruning import check, prune, select_remaining_experts
from coterie.extract.score_curve import CurvePoint, ScoreCurve
from coterie.extract.source import BATCH_SIZE, SPLIT, ExtractRequest
from coterie.models.pruned_vision.modeling import PrunedVisionModel
from coterie.routing.decision import Tape
from coterie.routing.usage import ExpertUsage, select_task
from coterie.tasks.dense.inference import run_inference
from coterie.tasks.dense.task import DenseTask
from coterie.train import Run

THRESHOLDS = (0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.4, 1.0)
"""Shares of tokens that must choose an expert for it to remain, by
`coterie.extract.expert_selection.select_experts_to_keep`; at 1 as many remain as a token uses."""


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
    """Yield a point for each threshold, in order; equal models are scored once.

    Args:
        model, task, use, adapter: as `coterie.extract.pruning.prune` takes them; so are its errors.
        score: returns the quality of a pruned model, for instance a metric on held-out samples.
            It may fine-tune the model first, which is a copy.
        thresholds, exact: see `PruningOptions`.
    """
    check(model, task, adapter)
    seen: dict[Any, CurvePoint] = {}
    for threshold in thresholds:
        pruning = PruningOptions(threshold=threshold, exact=exact)
        stay = select_remaining_experts(model, use, threshold, adapter)
        key = tuple(stay.values())
        if key not in seen:
            small = prune(model, task=task, use=use, pruning=pruning, adapter=adapter)
            size, value = count_pruned_parameters(small), float(score(small))
            seen[key] = CurvePoint(
                threshold=threshold, parameters=size, remaining_experts=stay, score=value
            )
        yield replace(seen[key], threshold=threshold)


def measure_score_curve(
    run: Run | str | Path,
    *,
    task: str,
    use: Mapping[str, LayerUse] | str = SPLIT,
    split: str = "test",
    thresholds: Sequence[float] = THRESHOLDS,
    limit: int | None = None,
    batch_size: int = BATCH_SIZE,
    device: str | torch.device | None = None,
) -> ScoreCurve:
    """Prune a task at several thresholds, and score the full model and each pruned one.

    Args:
        run: on a dense data set, or its folder.
        use: the split on which expert usage is measured, not the scored one, or pruning would be
            fitted to the scored images; or the usage itself.
        thresholds: at least one; see `PruningOptions`.
        limit: images of `split` that are scored, the same ones in every run; None for all.
        batch_size: images per forward pass, at least 1.
        device: see `coterie.devices.choose_device`; None for an accelerator where there is one.

    Raises ValueError for a run that is not on dense tasks or not finished, an unknown task or
    split, and mixtures that cannot be pruned.
    """
    run = run if isinstance(run, Run) else Run.read(run)
    source = ExtractRequest.open(run, device=device, task=task, use=use)
    check(source.model, task, source.adapter)  # raises for all but dense tasks
    tasks: Any = run.config.tasks
    source.model.requires_grad_(False)
    place = next(source.model.parameters()).device
    shares, _, measured_on = source.resolve_usage()
    selected: DenseTask = tasks.get_task(task)
    metric = selected.make_metric()
    rows = tasks.load_evaluation_rows(split, limit=limit, skip_bad_rows=run.config.skip_bad_rows)
    usage = ExpertUsage((task,))

    def score(model: nn.Module, on_routing: Callable[[Tape], object] | None = None) -> float:
        model.to(place)
        found = run_inference(model, rows, [selected], pixels=source.processor.normalize_inputs,
                              batch_size=batch_size, on_routing=on_routing)  # fmt: skip
        statistics = [row["statistics"] for row in found.rows[task]]
        return metric.score(np.sum(statistics, axis=0))

    full_score = score(source.model, usage.add)
    points = compute_pruning_curve(
        source.model, task=task, use=shares, score=score, thresholds=thresholds
    )
    return ScoreCurve(
        task=task, split=split, samples=len(rows), measured_on=measured_on,
        metric=str(metric), unit=metric.unit, higher_is_better=metric.higher_is_better,
        full_score=full_score, full_parameters=count_model_parameters(source.model),
        usage=select_task(usage.compute_means(), task), points=tuple(points),
    )  # fmt: skip
