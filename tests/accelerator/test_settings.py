"""Runs with settings for a GPU: a quantised base model, a compiled model, kinds of attention."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import coterie
from coterie.models.quantization import is_quantized
from coterie.serve.engine import InferenceEngine
from tests.train.small import plain, trained

pytestmark = [pytest.mark.accelerator, pytest.mark.slow]

PACKAGES = {"4bit": "bitsandbytes", "8bit": "bitsandbytes", "int8": "torchao"}


def train_beside_plain(
    folder: Path, device: torch.device, *, tolerance: float, **settings: Any
) -> coterie.Run:
    """Train with the settings and without: the first losses are alike, and both runs learn."""
    recipe = plain(steps=6, learning_rate=3e-2)
    run, alone = (
        trained(folder / name, recipe, device=device, **given)
        for name, given in (("run", settings), ("alone", {}))
    )
    log, wanted = run.read_log(), alone.read_log()
    assert log[0]["loss"] == pytest.approx(wanted[0]["loss"], rel=tolerance)
    assert log[-1]["loss"] < log[0]["loss"]
    return run


@pytest.mark.filterwarnings("ignore")  # the packages warn about each other's versions
@pytest.mark.parametrize("how", PACKAGES)
def test_a_quantised_base_model(tmp_path: Path, device: torch.device, how: str) -> None:
    pytest.importorskip(PACKAGES[how])
    run = train_beside_plain(tmp_path, device, tolerance=0.05, quantize=how)
    scores = coterie.evaluate(run, split="validation", limit=2, device=device)
    assert set(scores.tasks) == set(run.task_names)
    engine = InferenceEngine.from_run(run.folder, task="ocr", device=device)
    assert is_quantized(engine.loaded.model.get_base_model())
    assert isinstance(engine.answer("is this 1 train?"), str)


@pytest.mark.filterwarnings("ignore")  # torch's own, of compiling
def test_a_compiled_run(tmp_path: Path, device: torch.device) -> None:
    if device.type == "cpu":
        pytest.skip("tests/train/test_compilation.py has it without a C++ compiler")
    train_beside_plain(tmp_path, device, tolerance=0.01, compile=True)


@pytest.mark.parametrize("attention", ["sdpa", "flex_attention"])
@pytest.mark.filterwarnings("ignore")  # torch's own, of compiling
def test_attention(tmp_path: Path, device: torch.device, attention: str) -> None:
    if device.type == "cpu" and attention == "flex_attention":
        pytest.skip("a CPU cannot train it")
    run = train_beside_plain(tmp_path, device, tolerance=0.01, attention=attention)
    machine = json.loads((run.folder / "environment.jsonl").read_text().splitlines()[0])
    assert machine["device"]
