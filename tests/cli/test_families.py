"""Every family with pictures through the command, with torchvision and without."""

import json
from pathlib import Path

import pytest
from PIL import Image

from coterie.models.loading import load
from tests.cli.calls import Calls
from tests.cli.folders import ten_rows, write_model
from tests.tiny import TINY

FAST = {"qwen2_vl"}  # without torchvision its processor has to be put together


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in TINY],
)
def test_train_evaluate_extract_generate(
    family: str, tmp_path: Path, coterie: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = TINY[family]()
    if tiny.files is None:
        pytest.skip("reads text or pictures alone, or its processor needs torchvision")
    write_model(tiny, tmp_path / "model")
    ten_rows(tmp_path / "data")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> str:
        called = coterie(*arguments)
        assert called.code == 0, called
        return called.out

    data = ("--base", "model", "--tasks", "data/tasks.yaml", "--steps", "2", "--batch-size", "2")
    call("train", "moelora", *data, "--out", "run")
    call("evaluate", "run")
    assert json.loads(Path("run/scores.json").read_text())["tasks"]["colour"]["samples"] >= 1
    call("extract", "run", "--task", "colour", "--to", "whole", "--format", "merged")
    call("generate", "run", "--task", "colour", "--image", "data/pictures/0.png", "what colour?")
    # What extract wrote has the processor, too.
    before, after = (load(folder).processor for folder in ("model", "whole"))
    assert type(before) is type(after) and before.chat_template == after.chat_template
    picture = Image.open("data/pictures/0.png")
    first, second = (each.image_processor(picture) for each in (before, after))
    assert (first["pixel_values"][0] == second["pixel_values"][0]).all()
