"""Ranks used by each task against its difficulty, from a run's files."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from coterie import recipes
from coterie.recipe import Recipe
from coterie.report.plots import draw_expert_usage, draw_rank_usage
from coterie.report.rank_usage import compute_spearman, find_rank_usage
from coterie.report.systems import group_systems
from coterie.tasks import TextTask, TextTasks
from coterie.train import RunConfig

SCORES = {"ocr": 20.0, "naming": 90.0, "box": 50.0}
USE = {"ocr": [1.0, 1.0], "naming": [1.0, 0.25], "box": [0.5, 0.5]}
"""Of experts of rank 2 and 8: 10, 4 and 5 ranks."""


def run(folder: Path, recipe: Recipe, experts: Any, *, use: Mapping[str, Any] = USE) -> Path:
    """A run's folder with what an evaluation writes; two layers of the same use."""
    tasks = tuple(TextTask(name=name, rows={"train": "a.jsonl"}) for name in SCORES)
    folder.mkdir(exist_ok=True)
    config = RunConfig(recipe=recipe, base="model", tasks=TextTasks(tasks=tasks))
    (folder / "run.json").write_text(config.dumps())
    score = {"metric": "exact", "low": 0.0, "high": 0.0, "samples": 9, "higher_is_better": True,
             "unit": "%"}  # fmt: skip
    scores = {name: score | {"score": value} for name, value in SCORES.items()}
    (folder / "scores.json").write_text(json.dumps({"split": "test", "tasks": scores}))
    layer = {"experts": experts, "mean_weight": use, "chosen": use, "probability": use}
    layers = {"layers": {f"m.{number}.q_proj": layer for number in range(2)}}
    (folder / "routing.json").write_text(json.dumps(layers))
    return folder


def rode(folder: Path, **given: Any) -> Path:
    return run(folder, recipes.rode(ranks=(2, 8)), ["rank 2", "rank 8"], **given)


def test_ranks_and_difficulty(tmp_path: Path) -> None:
    usage = find_rank_usage(group_systems(rode(tmp_path))[0])
    assert usage is not None and usage.tasks == ("ocr", "naming", "box")
    # 2 + 8; 2 + 8 / 4; 1 + 4
    assert usage.ranks == pytest.approx((10, 4, 5)) and usage.total == 10
    assert usage.difficulty == pytest.approx((0.8, 0.1, 0.5))
    assert usage.measure == "share of errors" and usage.correlation == pytest.approx(1.0)
    assert usage.note == "3 tasks are too few to tell a correlation from chance"


def test_losses_where_scores_have_no_common_unit(tmp_path: Path) -> None:
    scores = rode(tmp_path) / "scores.json"
    scores.write_text(scores.read_text().replace('"unit": "%"', '"unit": "kcal"'))
    rows = [{"step": n, "task_loss": {"ocr": 9.0 / n, "naming": 1.0, "box": 2.0}} for n in (1, 3)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    usage = find_rank_usage(group_systems(tmp_path)[0])
    assert usage is not None and usage.measure == "loss at the end of training"
    assert usage.difficulty == pytest.approx((6.0, 1.0, 2.0))  # of 9 and 3 the mean is 6


def test_dual_lora_counts_its_ranks_one_by_one(tmp_path: Path) -> None:
    names = ["rank 1", "rank 2"]
    usage = find_rank_usage(group_systems(run(tmp_path, recipes.dual_lora(rank=2), names))[0])
    assert usage is not None and usage.ranks == pytest.approx((2, 1.25, 1)) and usage.total == 2


def test_nothing_to_show(tmp_path: Path) -> None:
    alike = rode(tmp_path / "alike", use={name: [1.0, 1.0] for name in SCORES})
    short = rode(tmp_path / "short", use={name: [1.0] for name in SCORES})
    others = run(tmp_path / "others", recipes.rode(ranks=(4, 4)), ["rank 2", "rank 8"])
    for folder in (alike, short, others):
        assert find_rank_usage(group_systems(folder)[0]) is None
        with pytest.raises(ValueError, match="there are no ranks to draw: give an evaluated run"):
            draw_rank_usage(folder)
    (short / "routing.json").unlink()
    with pytest.raises(ValueError, match=r"no expert usage.*coterie evaluate"):
        draw_expert_usage(short)


def test_spearman() -> None:
    # Places 0 1 2 3 and 1 0 2 3: 1 - 6 * 2 / (4 * 15) = .8
    assert compute_spearman([1, 2, 3, 4], [5, 4, 6, 99]) == pytest.approx(0.8)
    # Ties share a place: .5 .5 2 against 0 1 2 is 1.5 / sqrt(1.5 * 2)
    assert compute_spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(1.5 / math.sqrt(3))
    assert math.isnan(compute_spearman([1, 1, 1], [1, 2, 3]))
    assert math.isnan(compute_spearman([1, 2], [1, 2]))
