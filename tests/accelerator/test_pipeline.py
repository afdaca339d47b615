"""The commands on the device, as a user runs them: none of them names it."""

import json
from pathlib import Path

import pytest
import torch

from coterie.devices import choose_precision, describe_device
from coterie.train import Run
from coterie.train.trainer import MixtureTrainer
from tests.cli.calls import Calls
from tests.cli.conftest import coterie as coterie  # the fixture
from tests.cli.folders import llama_folder, llava_folder, ten_rows, text_tasks
from tests.cli.test_dense_path import NAMES, PICTURES, SQUAD, weights
from tests.datasets.written import taskonomy
from tests.train.small import adapter, hard, trained

pytestmark = [pytest.mark.accelerator, pytest.mark.slow]


def test_pictures_and_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coterie: Calls, device: torch.device
) -> None:
    monkeypatch.chdir(tmp_path)
    llava_folder(tmp_path / "model")
    ten_rows(tmp_path / "data")
    data = ("--base", "model", "--tasks", "data/tasks.yaml")
    small = ("--steps", "3", "--batch-size", "4")
    recipes = {"rode": ("--set", "ranks=2,4"), "awaker": (), "shared_lora": ("--set", "rank=4")}
    for recipe, options in recipes.items():
        called = coterie("train", recipe, *data, *small, *options, "--out", f"runs/{recipe}")
        assert called.code == 0, called
        called = coterie("evaluate", f"runs/{recipe}")
        assert called.code == 0, called
    for layout in ("adapter", "merged"):
        to = ("--to", f"cut/{layout}", "--format", layout)
        called = coterie("extract", "runs/shared_lora", "--task", "colour", *to)
        assert called.code == 0, called
    machine = json.loads((tmp_path / "runs/rode/environment.jsonl").read_text().splitlines()[0])
    assert machine["device"] == describe_device(device)
    assert Run.read("runs/rode").config.precision == choose_precision(device)
    called = coterie("generate", "runs/rode", "--image", "data/pictures/0.png", "what colour?")
    assert called.code == 0 and called.out, called
    assert coterie("report", "runs/rode", "--to", "report.html").code == 0


def test_text_conflict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coterie: Calls, device: torch.device
) -> None:
    monkeypatch.chdir(tmp_path)
    llama_folder(tmp_path / "model")
    text_tasks(tmp_path / "data")
    data = ("--tasks", "data/tasks.yaml")
    called = coterie("diagnose", "model", *data, "--batches", "2", "--batch-size", "2")
    assert called.code == 0, called


def test_every_dense_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coterie: Calls, device: torch.device
) -> None:
    taskonomy(tmp_path / "data" / "taskonomy", 6)
    (tmp_path / "data" / "dense.yaml").write_text(PICTURES % NAMES)
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    weights(tmp_path)
    for arguments in (
        (*SQUAD, "--out", "runs/squad"),
        ("evaluate", "runs/squad"),
        ("extract", "runs/squad", "--task", "normal", "--to", "normal"),
        ("diagnose", "runs/squad", "--batches", "2", "--batch-size", "1"),
        ("report", "runs/squad", "--to", "report.html"),
    ):
        called = coterie(*arguments)
        assert called.code == 0, called


def test_a_resumed_run_goes_on_with_the_same_weights(tmp_path: Path, device: torch.device) -> None:
    whole = trained(tmp_path / "whole", hard(), device=device)
    half = tmp_path / "half"

    class Stop(Exception):
        pass

    def stop(self, *args, **kwargs):
        kept(self, *args, **kwargs)
        if self.state.global_step >= 2 and self.stage_context.stage.name == "two":
            raise Stop

    kept = MixtureTrainer._write_checkpoint
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(MixtureTrainer, "_write_checkpoint", stop)
        trained(half, hard(), device=device)
    resumed = trained(half, hard(), device=device, resume=True)
    first, second = adapter(whole), adapter(resumed)
    assert first.keys() == second.keys()
    for name, weight in first.items():
        # Sums over tokens are atomic on a GPU, and Adam's steps grow what they round differently;
        # on a CPU it is bit for bit.
        error = (second[name] - weight).norm() / weight.norm().clamp_min(1e-3)
        assert error <= (0.0 if device.type == "cpu" else 0.05), (name, error)
