"""Damaged checkpoints, stages and adapters are set aside, and the run goes on before them."""

import json
from pathlib import Path

import pytest

from coterie.train.checkpoint import find_latest
from coterie.train.checksums import write_checksums
from coterie.train.finished_stages import (
    FinishedStage,
    read_finished_stages,
    write_finished_stages,
)
from coterie.train.recovery import list_in_order, recover
from coterie.train.run_directory import RunDirectory

NAMES = ("one", "two", "three")


def checkpoint(folder: Path, best: float | None = None) -> Path:
    folder.mkdir(parents=True)
    facts = {"step": 1} if best is None else {"step": 1, "validation": {"best": best}}
    (folder / "training_state.json").write_text(json.dumps(facts))
    (folder / "adapter_model.safetensors").write_text("weights")
    write_checksums(folder)
    return folder


def stage(name: str, weights: str) -> FinishedStage:
    return FinishedStage(stage=name, steps=4, weights_folder=weights)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """The first stage is finished; the second has checkpoints 2 and 4."""
    run = RunDirectory(tmp_path / "run")
    for number in (0, 1):
        for step in (2, 4):
            checkpoint(run.checkpoints_folder(number, NAMES[number]) / f"checkpoint-{step}")
    write_finished_stages(run, [stage("one", "checkpoints/1-one/checkpoint-4")])
    return run


def latest(run: RunDirectory, number: int) -> str:
    found = find_latest(run.checkpoints_folder(number, NAMES[number]))
    return found.name if found else "none"


def damage(run: RunDirectory, number: int, step: int) -> None:
    place = run.checkpoints_folder(number, NAMES[number]) / f"checkpoint-{step}"
    (place / "adapter_model.safetensors").write_text("other")


def test_a_whole_run_stays(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    recover(run, NAMES)
    assert (latest(run, 0), latest(run, 1)) == ("checkpoint-4", "checkpoint-4")
    assert len(read_finished_stages(run)) == 1 and capsys.readouterr().err == ""


def test_the_checkpoint_before_takes_over(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(run, 1, 4)
    recover(run, NAMES)
    assert latest(run, 1) == "checkpoint-2"
    assert (run.checkpoints_folder(1, "two") / "checkpoint-4.damaged").is_dir()
    said = capsys.readouterr().err
    assert "2-two/checkpoint-4 is damaged (adapter_model.safetensors is not as it was writ" in said
    assert said.endswith("it is now checkpoint-4.damaged, and training goes on at checkpoint-2\n")


def test_without_a_whole_checkpoint_the_stage_begins_anew(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(run, 1, 4)
    damage(run, 1, 2)
    recover(run, NAMES)
    assert latest(run, 1) == "none" and len(read_finished_stages(run)) == 1
    assert capsys.readouterr().err.endswith("and the stage is trained again\n")


def test_a_finished_stage_with_damaged_weights_is_unfinished(run: RunDirectory) -> None:
    damage(run, 0, 4)
    recover(run, NAMES)
    assert read_finished_stages(run) == [] and latest(run, 0) == "checkpoint-2"
    assert latest(run, 1) == "checkpoint-4"  # its weights follow from the first stage's


def test_a_damaged_adapter_is_written_again(run: RunDirectory) -> None:
    checkpoint(run.adapter_folder)
    recover(run, NAMES)
    assert run.is_finished
    (run.adapter_folder / "adapter_model.safetensors").write_text("other")
    recover(run, NAMES)
    assert not run.is_finished and (run.folder / "adapter.damaged").is_dir()


@pytest.mark.parametrize("kind", ["damaged", "missing"])
def test_best_weights_cannot_be_replaced_by_others(run: RunDirectory, kind: str) -> None:
    folder = run.checkpoints_folder(2, "three")
    checkpoint(folder / "checkpoint-2", best=0.5)
    best = checkpoint(folder / "best")
    both = [stage(name, f"checkpoints/{i}-{name}/checkpoint-4") for i, name in
            ((1, "one"), (2, "two"))]  # fmt: skip
    write_finished_stages(run, both)
    recover(run, NAMES)
    assert latest(run, 2) == "checkpoint-2"
    (best / "adapter_model.safetensors").write_text("other")
    if kind == "missing":
        best.rename(best.with_name("elsewhere"))
    recover(run, NAMES)
    assert latest(run, 2) == "none" and len(read_finished_stages(run)) == 2


def test_stages_are_known_by_their_names_and_not_by_their_number() -> None:
    one, two = stage("one", "a"), stage("two", "b")
    assert list_in_order([one, one, two], NAMES) == [one, two]
    assert list_in_order([one, one, one], NAMES) == [one]
    assert list_in_order([two], NAMES) == []
