"""Dense runs: their scores, what evaluation writes into their folder, and tables of them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coterie.evaluate import Scores, compare, evaluate
from coterie.evaluate.predictions import read_predictions
from coterie.tasks.dense.task_set import DenseTasks
from coterie.train.run import Run
from tests.evaluate.dense_runs import TASKS, RandomPictures, dense_run, recipe


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return dense_run(tmp_path_factory.mktemp("runs") / "squad", RandomPictures())


def read_statistics(run: Run, task: str) -> np.ndarray:
    rows = read_predictions(run.folder / "predictions" / "test" / f"{task}.jsonl")
    return np.array([row["statistics"] for row in rows])


def test_a_run_is_scored(made: Run) -> None:
    scores = evaluate(made, batch_size=4)
    assert Scores.read(made.folder) == scores and list(scores.tasks) == list(TASKS)
    assert [task.samples for task in scores.tasks.values()] == [10, 10, 10]
    assert [task.metric for task in scores.tasks.values()] == [
        "mean_error", "mean_iou(classes=3)", "top1",
    ]  # fmt: skip
    depth = scores.tasks["depth"]
    assert depth.low <= depth.score <= depth.high and not depth.higher_is_better
    kept = read_predictions(made.folder / "predictions" / "test" / "depth.jsonl")
    assert [row["source"] for row in kept[:2]] == ["test/0", "test/1"]
    # The mean error is the sum of the errors over that of the pixels, 10 pictures of 28 x 28.
    errors, pixels = read_statistics(made, "depth").sum(0)
    assert pixels == 10 * 28 * 28 and depth.score == pytest.approx(errors / pixels)
    classes = read_statistics(made, "classes")
    assert not classes[[3, 7]].any() and classes[[0, 1]].any()


def test_predictions_are_made_once(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = DenseTasks.predict

    def predict(self, loaded, dataset, **options):
        calls.append(len(dataset.samples))
        return real(self, loaded, dataset, **options)

    monkeypatch.setattr(DenseTasks, "predict", predict)
    scores = evaluate(made, limit=5)
    routing = (made.folder / "routing.json").read_text()
    assert evaluate(made, limit=5) == scores and calls == [5]
    assert (made.folder / "routing.json").read_text() == routing
    # Other samples, and files that are gone, are predicted again.
    evaluate(made, limit=6)
    (made.folder / "predictions" / "test" / "scene.jsonl").unlink()
    evaluate(made, limit=6)
    assert calls == [5, 6, 6]


def test_what_it_costs(made: Run) -> None:
    cost = evaluate(made, limit=4).cost
    assert cost["trainable_parameters"] < cost["active_parameters"] < cost["total_parameters"]
    assert cost["train_time_s"] == 2 and cost["samples_per_s"] == 4
    assert cost["flops_per_sample"] > 0 and cost["generate_samples_per_s"] > 0


def test_routing_says_what_each_task_uses(made: Run) -> None:
    evaluate(made)
    layers = json.loads((made.folder / "routing.json").read_text())["layers"]
    assert len(layers) == 2
    for layer in layers.values():
        assert set(layer["mean_weight"]) == set(TASKS)
        # Each token chooses two experts; the tasks' gates differ from the start.
        assert all(sum(each) == pytest.approx(2) for each in layer["chosen"].values())
        assert layer["chosen"]["depth"] != layer["chosen"]["scene"]


def test_fewer_pictures_are_the_same_ones_each_time(made: Run) -> None:
    found = [evaluate(made, limit=3, batch_size=size).tasks["depth"] for size in (1, 3)]
    assert found[0].samples == 3 and found[0].score == pytest.approx(found[1].score)
    kept = read_predictions(made.folder / "predictions" / "test" / "depth.jsonl")
    assert len({row["source"] for row in kept}) == 3


def test_single_task_runs_are_a_baseline(made: Run, tmp_path: Path) -> None:
    single = [
        dense_run(tmp_path / name, RandomPictures(names=(name,)), made_by=recipe("alone"))
        for name in TASKS
    ]
    for run in (made, *single):
        evaluate(run)
    table = compare([made], baseline=single, resamples=50)
    assert [row.system for row in table.rows] == ["alone", "squad"]
    row = table.rows[1]
    assert row.delta_m is not None and math.isfinite(row.delta_m.value)
    assert row.delta_m.low <= row.delta_m.value <= row.delta_m.high
    # An error that is lower by a share of the baseline's counts as that share.
    alone = {name: cell.value for name, cell in table.rows[0].tasks.items()}
    mine = {name: cell.value for name, cell in row.tasks.items()}
    signs = {"depth": -1, "classes": 1, "scene": 1}
    shares = [signs[name] * (mine[name] - alone[name]) / alone[name] for name in TASKS
              if alone[name] > 0]  # fmt: skip
    assert row.delta_m.value == pytest.approx(100 * np.mean(shares))
    # Weights add up over single-task runs, what an answer costs does not.
    assert table.rows[0].cost["total_parameters"] > row.cost["total_parameters"]
    assert table.rows[0].cost["flops_per_sample"] == pytest.approx(
        row.cost["flops_per_sample"], rel=0.2
    )
    assert "squad" in table.to_markdown()


def test_the_untrained_model_is_a_control(made: Run) -> None:
    scores = evaluate(made)
    untrained = evaluate(made, untrained=True)
    assert Scores.read(made.folder) == scores
    assert untrained.control == "untrained" and untrained.cost["trainable_parameters"] == 0
    assert untrained.tasks["depth"].score != scores.tasks["depth"].score
    rows = compare([made], resamples=10).rows
    assert [row.system for row in rows] == ["squad", "untrained"]


def test_a_host_without_experts(tmp_path: Path) -> None:
    run = dense_run(tmp_path / "plain", RandomPictures(), made_by=recipe("dense", experts=False))
    scores = evaluate(run)
    assert scores.cost["active_parameters"] == scores.cost["total_parameters"]
    assert json.loads((run.folder / "routing.json").read_text()) == {"layers": {}}


def test_what_cannot_be_scored_is_told(made: Run, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"blind=True leaves out images and sounds, .* have no other input"
    ):
        evaluate(made, blind=True)
    with pytest.raises(ValueError, match="RandomPictures has no split 'other'"):
        evaluate(made, split="other")
    (tmp_path / "run.json").write_text((made.folder / "run.json").read_text())
    with pytest.raises(ValueError, match=r"has no trained adapter in adapter/: train it first"):
        evaluate(tmp_path)


def test_some_answers_are_kept_as_pictures(made: Run) -> None:
    evaluate(made, limit=2)
    folder = made.folder / "predictions" / "test" / "examples"
    index = json.loads((folder / "examples.json").read_text())
    # However few are scored, five of the ten; the fourth and eighth have no label of "classes".
    assert len(index) == 5
    for row in index:
        untold = int(row["source"].removeprefix("test/")) % 4 == 3
        assert (row["tasks"]["classes"]["truth"] is None) == untold
    files = [name for row in index for task in row["tasks"].values() for name in task.values()]
    with Image.open(folder / index[0]["image"]) as image:
        assert image.size == (28, 28)
    on_disk = {path.name for path in folder.iterdir()} - {"examples.json"}
    assert on_disk == {name for name in files if name} | {row["image"] for row in index}
