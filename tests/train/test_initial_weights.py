"""Stages that branch and assemble: what each starts from, and the same bits after a kill."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from coterie.models.omni.modeling import OmniModel
from coterie.train import Run, initial_weights, stage_runner, trainer
from coterie.train.finished_stages import read_finished_stages
from tests.forks import forked, status
from tests.train.progressive import NAMES, STAGES, recipe, trained
from tests.train.small import content, lines

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("whole") / "run", recipe())


def connectors(folder: Path) -> dict[str, Tensor]:
    return {name: each for name, each in load_file(folder / WEIGHTS).items() if "connector" in name}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    """The modalities whose connectors differ."""
    assert one.keys() == other.keys() and one
    names = {name for name in one if not torch.equal(one[name], other[name])}
    return {"audio" if "connectors.audio" in name else "image" for name in names}


def test_each_stage_starts_from_what_it_should(whole: Run) -> None:
    stages = whole.folder / "stages"
    assert tuple(each.stage for each in read_finished_stages(whole.directory)) == STAGES
    assert {each.name for each in stages.iterdir()} == set(STAGES[:-1])
    aligned = connectors(stages / "alignment")
    # A branch trains the connectors of its own modality, from where alignment left them.
    for modality, changed in (("image", {"image"}), ("audio", {"audio"}), ("text", set())):
        assert differing(connectors(stages / f"experts-{modality}"), aligned) == changed
    final = load_file(whole.folder / "adapter" / WEIGHTS)
    place = "base_model.model.model.language_model.layers.0.mlp"
    start = {
        part: final[f"{place}.coterie_experts.up_proj__start_{part}"] for part in ("down", "up")
    }
    # Experts in the order of the branches; the fourth is the first again. The scale is 16 / 2.
    for number, modality in enumerate(("image", "audio", "text", "image")):
        branch = load_file(stages / f"experts-{modality}" / WEIGHTS)
        down, up = (branch[f"{place}.up_proj.coterie_experts.{part}"] for part in ("down", "up"))
        assert torch.equal(start["down"][number], down) and up.any()
        assert torch.allclose(start["up"][number], 8 * up.T)


def test_a_start_that_is_not_there_is_told_before_the_first_stage(tmp_path: Path) -> None:
    options: Any = {"stages": ("alignment", "unified"), "experts_from": (str(tmp_path / "none"),)}
    with pytest.raises(ValueError, match=r"stage 'unified', experts_from: .*none is no folder"):
        trained(tmp_path / "run", recipe(**options))
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"stage 'unified', experts_from: .*none has neither an"):
        trained(tmp_path / "run", recipe(**options))
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_each_stage_is_logged_on_its_own_tasks(whole: Run) -> None:
    seen = [set(line["task_loss"]) for line in whole.read_log()]
    assert seen[2:8] == [{name} for name in NAMES for _ in range(2)]


def test_the_adapter_needs_no_other_run(whole: Run, tmp_path: Path) -> None:
    (whole.folder / "stages").rename(tmp_path / "stages")
    try:
        model = whole.load(device="cpu").model
    finally:
        (tmp_path / "stages").rename(whole.folder / "stages")
    starts = {name: each for name, each in model.named_buffers() if "start_up" in name}
    assert starts and all(each.any() for each in starts.values())


def test_stages_start_others_by_hand(
    whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the stages of a run in place of one's own, the last stage is that of the run."""
    stages = whole.folder / "stages"
    given = ",".join(str(stages / name) for name in STAGES[1:4])
    again = trained(
        tmp_path / "run",
        recipe(stages="unified", experts_from=given, connectors_from=str(stages / "alignment")),
    )
    told = capsys.readouterr().err
    assert f"expert 2 starts from {stages / 'experts-audio'}: " in told
    mine, theirs = (load_file(run.folder / "adapter" / WEIGHTS) for run in (again, whole))
    assert mine.keys() == theirs.keys()
    for name in mine:
        if "__start_" in name:
            assert torch.equal(mine[name], theirs[name])


def killed(folder: Path, owner: object, name: str, turn: int) -> None:
    """Resumes, and dies at the `turn`-th call of a function."""
    real, calls = getattr(owner, name), []

    def fatal(*args: object, **kwargs: object) -> object:
        calls.append(name)
        if len(calls) == turn:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(owner, name, fatal)
    trained(folder, recipe(), resume=True)


LOSS = (trainer.MixtureTrainer, "compute_loss")
PLACES = {
    "alignment": (*LOSS, 2),
    "first branch": (*LOSS, 3),
    "before a branch is finished": (stage_runner, "add_finished_stage", 1),
    "second branch": (*LOSS, 2),
    "third branch": (*LOSS, 2),
    "while the experts are read": (initial_weights, "read_adapter", 2),
    "unified": (*LOSS, 2),
}


def check_kills(whole: Run, folder: Path, places: list[str]) -> None:
    for place in places:
        child = forked(lambda place=place: killed(folder, *PLACES[place]))
        assert status(child) == -signal.SIGKILL, place
    again = trained(folder, recipe(), resume=True)
    assert lines(again) == lines(whole)
    assert content(again) == content(whole)


@pytest.mark.slow
def test_a_run_killed_in_each_stage_ends_with_the_same_bits(whole: Run, tmp_path: Path) -> None:
    check_kills(whole, tmp_path / "run", list(PLACES))


def test_a_run_killed_while_experts_are_read_ends_with_the_same_bits(
    whole: Run, tmp_path: Path
) -> None:
    check_kills(whole, tmp_path / "run", ["while the experts are read"])


@pytest.mark.slow
@pytest.mark.parametrize("stages", ["unified", "alignment,unified", "experts,unified"])
def test_stages_may_be_left_out(stages: str, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", recipe(stages=stages, epochs=0.5))
    assert run.is_finished
    final = load_file(run.folder / "adapter" / WEIGHTS)
    assert any("__start_" in name for name in final) == ("experts" in stages)


@pytest.mark.slow
def test_features_of_frozen_encoders_are_computed_once_for_all_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    encoded: list[int] = []
    real = OmniModel.encode

    def count(self: OmniModel, modality: str, values: Tensor, *args: Tensor) -> Tensor:
        encoded.append(len(values))
        return real(self, modality, values, *args)

    monkeypatch.setattr(OmniModel, "encode", count)
    trained(tmp_path / "run", recipe(epochs=1.0))
    # Three passes over four images and four sounds.
    assert 0 < sum(encoded) <= 8
