"""A run's folder after `evaluate`."""

import json
from pathlib import Path

import pytest

from coterie.evaluate import Scores, compare, evaluate
from coterie.evaluate.evaluation import Evaluation
from coterie.tasks.text.task_set import TextTasks
from coterie.train.run import Run
from tests.evaluate.runs import run, says, task


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    return run(folder / "r", (task(folder, "a", says("it is.")), task(folder, "b", says("no"))))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples each later call of `predict` answers."""
    calls: list[int] = []
    real = TextTasks.predict

    def predict(self, loaded, dataset, **options):
        calls.append(len(dataset.samples))
        return real(self, loaded, dataset, **options)

    monkeypatch.setattr(TextTasks, "predict", predict)
    return calls


def test_a_run_is_scored_and_only_once(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch)
    scores = evaluate(made, limit=6, batch_size=4)
    assert calls == [6, 6] and list(scores.tasks) == ["a", "b"]
    assert Scores.read(made.folder) == scores and scores.tasks["a"].samples == 6
    lines = (made.folder / "predictions/test/a.jsonl").read_text().splitlines()
    assert len(lines) == 6 and json.loads(lines[0])["answers"] == ["it is."]
    cost = scores.cost
    assert cost["train_time_s"] == 4 and cost["samples_per_s"] == 4
    assert cost["trainable_parameters"] < cost["active_parameters"] <= cost["total_parameters"]
    assert cost["flops_per_sample"] > 0 and cost["generate_samples_per_s"] > 0
    assert evaluate(made.folder, limit=6) == scores and calls == [6, 6]
    (made.folder / "predictions/test/b.jsonl").unlink()
    assert evaluate(made.folder, limit=6).tasks == scores.tasks and calls == [6, 6, 6]
    # A file that lost a line, or has one twice, is of other samples.
    file = made.folder / "predictions/test/b.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    for damaged in (lines[1:], [*lines, lines[0]]):
        file.write_text("".join(damaged))
        assert evaluate(made.folder, limit=6).tasks == scores.tasks
        assert calls.pop() == 6 and len(calls) == 3
    # The rows of "test" are those of "train"; the first of the six that were chosen is the third.
    assert scores.trained_on["a"].count == 6 and scores.trained_on["a"].first.endswith("a.jsonl:3")
    # Other samples are other predictions.
    assert evaluate(made, limit=5).tasks["a"].samples == 5 and calls[3:] == [5, 5]


def test_routing_says_what_each_task_uses(made: Run) -> None:
    evaluate(made, limit=4)
    layers = json.loads((made.folder / "routing.json").read_text())["layers"]
    assert len(layers) == 6  # three linear layers of two MLPs
    one = layers["model.layers.1.mlp.down_proj"]
    assert one["experts"] == ["rank 1", "rank 3"] and set(one["mean_weight"]) == {"a", "b"}
    assert len(one["mean_weight"]["a"]) == 2 and 0 <= min(one["chosen"]["a"]) <= 1
    trace = json.loads((made.folder / "predictions/test/a.routing.json").read_text())
    assert trace["source"].endswith("a.jsonl:3")  # the first of the four that were chosen
    assert trace["layers"].keys() == layers.keys() and set(trace["modalities"]) == {"text"}
    assert len(trace["layers"]["model.layers.1.mlp.down_proj"]) == len(trace["tokens"])


def test_predictions_without_the_use_by_modality_are_made_anew(made: Run) -> None:
    scores = evaluate(made, limit=4)
    file = made.folder / "predictions/test/a.meta.json"
    facts = json.loads(file.read_text())
    del facts["use_by_modality"]  # as an earlier version wrote it
    file.write_text(json.dumps(facts))
    assert evaluate(made, limit=4).tasks == scores.tasks
    assert "use_by_modality" in json.loads(file.read_text())


def test_controls_stand_beside_the_scores(made: Run) -> None:
    scores = evaluate(made, limit=4)
    untrained = evaluate(made, limit=4, untrained=True)
    blind = evaluate(made, limit=4, blind=True)
    assert Scores.read(made.folder) == scores
    assert Scores.read(made.folder / "scores.untrained.json") == untrained
    assert untrained.control == "untrained" and untrained.cost["trainable_parameters"] == 0
    assert (made.folder / "predictions-blind/test/a.jsonl").is_file()
    assert blind.tasks == scores.tasks  # there is nothing to see
    rows = compare([made], resamples=10).rows
    assert [row.system for row in rows] == ["rode", "untrained", "rode, blind"]


def test_a_control_is_named_by_what_is_left_out(made: Run) -> None:
    assert Evaluation(run=made).control == ""
    assert Evaluation(run=made, blind=True).control == "blind"
    assert Evaluation(run=made, blind=True, untrained=True).control == "untrained-blind"


def test_what_cannot_be_scored_is_told(made: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="task 'a' has no split 'other'"):
        evaluate(made, split="other")
    (tmp_path / "run.json").write_text((made.folder / "run.json").read_text())
    with pytest.raises(ValueError, match=r"has no trained adapter in adapter/: train it first"):
        evaluate(tmp_path)
