"""Runs with settings for a GPU: a quantised base model, a compiled model, kinds of attention."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch

import coterie
from coterie import Mixture, Recipe, Stage
from coterie.devices import describe_device
from coterie.models.quantization import is_quantized
from coterie.serve.engine import InferenceEngine
from tests.cli.folders import ten_rows
from tests.tinies.omni import omni_model, omni_processor
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
    engine = InferenceEngine.from_run(run.folder, device=device)
    assert is_quantized(engine.loaded.model.get_base_model())
    assert isinstance(engine.ask("is this 1 train?", task="ocr"), str)


COMPILED = """
    import sys
    from pathlib import Path

    import torch

    from tests.accelerator.test_settings import train_beside_plain

    train_beside_plain(Path(sys.argv[1]), torch.device(sys.argv[2]), tolerance=0.01, compile=True)
"""


def test_a_compiled_run(tmp_path: Path, device: torch.device) -> None:
    """In a process of its own: torch.compile does not read functions whose types are checked."""
    if device.type == "cpu":
        pytest.skip("tests/train/test_compilation.py has it without a C++ compiler")
    command = [sys.executable, "-c", textwrap.dedent(COMPILED), str(tmp_path), str(device)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_attention(tmp_path: Path, device: torch.device, attention: str) -> None:
    run = train_beside_plain(tmp_path, device, tolerance=0.01, attention=attention)
    machine = json.loads((run.folder / "environment.jsonl").read_text().splitlines()[0])
    assert machine["device"] == describe_device(device)


def test_an_omni_model_with_kept_features(tmp_path: Path, device: torch.device) -> None:
    """Its frozen encoders run once an image, its frozen lower layers, on a CPU, once a sample."""
    processor = omni_processor()
    for each in (omni_model(processor), processor):
        each.save_pretrained(tmp_path / "omni")
    ten_rows(tmp_path / "data")
    upper = Mixture(at=r"model\.language_model\.layers\.1\.mlp\.(gate|up|down)_proj")
    run = coterie.train(
        Recipe(name="r", mixtures=(upper,), stages=(Stage(steps=3),)),
        base=tmp_path / "omni", tasks=tmp_path / "data" / "tasks.yaml", out=tmp_path / "run",
        batch_size=4, device=device,
    )  # fmt: skip
    scores = coterie.evaluate(run, split="validation", limit=1, device=device)
    assert len(run.read_log()) and set(scores.tasks) == set(run.task_names)
