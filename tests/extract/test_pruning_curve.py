"""Points of a curve, with a score that is made up, and of a run."""

import csv
import json
from pathlib import Path

import pytest

import coterie
from coterie.extract.pruning_curve import compute_pruning_curve, measure_score_curve
from coterie.models.pruned_vision.modeling import PrunedVisionModel
from coterie.routing.usage import select_task
from coterie.tasks.dense.expert_usage import measure_usage_by_task
from coterie.train import Run
from tests.evaluate.dense_runs import TASKS
from tests.extract.dense import grafted
from tests.tasks.dense.tiny import pictures


def test_fewer_experts_as_the_threshold_rises() -> None:
    whole = grafted()
    use = select_task(measure_usage_by_task(whole, [pictures()]), "depth")
    scored: list[PrunedVisionModel] = []

    def score(small: PrunedVisionModel) -> float:
        scored.append(small)
        return len(scored) / 8

    found = list(
        compute_pruning_curve(
            whole, task="depth", use=use, score=score, thresholds=(0.0, 0.2, 5.0, 9.0)
        )
    )
    assert [point.threshold for point in found] == [0.0, 0.2, 5.0, 9.0]
    # The last two keep the two most chosen in each of four layers, and are scored once.
    assert [point.experts for point in found[2:]] == [8, 8] and len(scored) == 3
    assert [point.score for point in found] == [0.125, 0.25, 0.375, 0.375]
    assert found[0].experts > found[1].experts > 8
    # An MLP expert: 32 * 32 + 32 in, 32 * 32 + 32 out. A query expert: 8 * 32 in, 32 * 8 out.
    kept = [small.num_parameters() for small in scored]
    sizes = [point.parameters.total for point in found]
    assert sizes == [*kept, kept[-1]]
    assert (sizes[0] - sizes[2]) % 32 == 0
    assert sizes[0] > sizes[1] > sizes[2]


def test_bad_tasks_are_named() -> None:
    with pytest.raises(ValueError, match="task='dept'"):
        next(compute_pruning_curve(grafted(), task="dept", use={}, score=lambda small: 0.0))


def test_a_curve_is_scored_and_written(run: Run, tmp_path: Path) -> None:
    found = measure_score_curve(run, task="classes", thresholds=(0.0, 0.6, 1.0))
    assert (found.split, found.measured_on, found.samples) == ("test", "validation", 5)
    assert found.metric == "mean_iou(classes=3)" and found.unit == "%"
    # Two experts in each of two layers are the least.
    assert [point.experts for point in found.points][-1] == 4
    # The whole, asked for this task alone, scores what it does beside the others.
    scores = coterie.evaluate(run, split="test")
    (run.folder / "routing.json").unlink()
    assert found.full_score == pytest.approx(scores.tasks["classes"].score, abs=1e-3)
    first = found.to_rows()[0]
    assert first["choices_lost"] != 0 or first["points_worse"] == 0
    folder = found.save(tmp_path / "curve")
    assert json.loads((folder / "curve.json").read_text())["points"] == found.to_rows()
    rows = list(csv.DictReader((folder / "curve.csv").read_text().splitlines()))
    assert [float(row["score"]) for row in rows] == [point.score for point in found.points]
    assert found.save_figure(folder / "curve.svg").read_text().startswith("<?xml")


def test_a_curve_needs_pictures(run: Run) -> None:
    with pytest.raises(ValueError, match="task='dept'"):
        measure_score_curve(run, task="dept")
    assert list(TASKS) == list(run.task_names)
