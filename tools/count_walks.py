"""Counts the source files that a value passes through: from a task's row to the loss, and so on.

    python tools/count_walks.py            # the three walks, with the files in order
    python tools/count_walks.py --check    # exit 1 and a line for each walk over its limit

The walks are made, not read: each runs the real command or function on a tiny model and rows, and
follows one value by what it is, wherever it goes. A source file is on the walk if

- one of its functions takes the value further: it is handed it, and gives it back, keeps it in the
  object that it makes, or hands it to a function that takes it further; or it makes it, or
- it defines a class of which the value is a part while it is handed over.

A function that only looks at the value, such as a check, is beside the walk, and so is a copy that
is written to the run's folder: the file of scores is one, as `compare` computes them again from the
predictions. "The value" is a piece of text, tokens or numbers that stands nowhere else, and
containers or dataclasses that hold it (`walks.carrying`), settings among them. What a trainer or a
model holds is not handed over with it. The inside of a model is another walk: what runs in the
forward of a transformers or PEFT model, in `graft` or in PEFT's loading does not count.

A row to the loss: `train` on text tasks, up to the first backward. The value is the path of the
training rows in the task file until they are opened, then the text of the rows, their tokens, and
losses with a gradient.
A score to the report: `compare` and `report` of two evaluated runs. The value is a score, the
numbers of its items, and the text that shows it.
A dense sample to its score: `evaluate` of a run with one dense task, until the task is scored. The
value is every array: the picture, its label, the prediction, what it adds to the score.
"""

import argparse
import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from unittest.mock import patch

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub, which reads it once

import torch
from peft import PeftModel
from transformers import PreTrainedModel
from walks import carrying, tiny_project
from walks.tracing import Walk

import coterie
from coterie import RunConfig
from coterie.data.sources.opening import open_rows
from coterie.evaluate import predictions
from coterie.evaluate.scores import Scores

LIMITS = {"a row to the loss": 20, "a score to the report": 12, "a dense sample to its score": 20}
"""Walk -> files it may have."""

TRAINING_ROWS = "-train.jsonl"
"""Ends the names of the files of training rows."""
TEXT_TASKS = "tasks:\n" + "".join(
    f"- name: {name}\n  max_new_tokens: 1\n  rows: {{train: {name}{TRAINING_ROWS}, "
    f"validation: {name}-validation.jsonl, test: {name}-test.jsonl}}\n"
    for name in tiny_project.TASKS
)
DENSE_TASKS = "pictures:\n  set: nyuv2\n  folder: nyuv2\n  names: [depth]\n"
TEXT_RECIPES = ("moelora", "shared_lora")
DENSE_RECIPE = "plain_moe"
OPTIONS = ("--steps", "2", "--batch-size", "4")
"""What a change of the public surface may change: the task files, recipes and options."""

PACKAGE = Path(coterie.__file__).parent


def count_walks(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each walk with its files in order, and the first function or class there that had the value.

    Args:
        folder: an empty folder for models, rows and runs.
    """
    _write_project(folder)
    first, second = TEXT_RECIPES
    rows = Walk(PACKAGE, carrying.has_text(TRAINING_ROWS), ends=_opens_rows, is_inside=_is_beside)
    with rows.recorded():
        _train(folder, second, "text", "tasks.yaml")
    row = Walk(
        PACKAGE,
        carrying.any_of(
            carrying.has_text(tiny_project.WORD),
            carrying.has_token(tiny_project.TOKEN),
            carrying.is_loss,
        ),
        ends=_is_backward,
        is_inside=_is_beside,
    )
    with row.recorded():
        _train(folder, first, "text", "tasks.yaml")
    yield "a row to the loss", rows.files | row.files
    _train(folder, DENSE_RECIPE, "vision", "dense.yaml")
    sample = Walk(
        PACKAGE,
        carrying.is_measured,
        ends=lambda code: code is inspect.unwrap(predictions.store).__code__,
        is_inside=_is_beside,
    )
    with sample.recorded():
        coterie.evaluate(folder / DENSE_RECIPE, split="validation")
    yield "a dense sample to its score", sample.files
    runs = [folder / name for name in TEXT_RECIPES]
    for run in runs:
        coterie.evaluate(run)
    score = Walk(PACKAGE, carrying.has_number(tiny_project.SCORE), is_inside=_is_beside)
    with score.recorded():
        coterie.compare(runs)
        coterie.report({run.name: run for run in runs}, out=folder / "report.html")
    yield "a score to the report", score.files


def _write_project(folder: Path) -> None:
    tiny_project.write_text_model(folder / "text")
    tiny_project.write_text_rows(folder)
    tiny_project.write_vision_model(folder / "vision")
    tiny_project.write_dense_rows(folder / "nyuv2")
    (folder / "tasks.yaml").write_text(TEXT_TASKS, encoding="utf-8")
    (folder / "dense.yaml").write_text(DENSE_TASKS, encoding="utf-8")


def _train(folder: Path, recipe: str, base: str, tasks: str) -> None:
    """Run the command `coterie train` in this process."""
    (script,) = entry_points(group="console_scripts", name="coterie")
    command: Callable[[], Any] = script.load()
    arguments = [
        "coterie", "train", recipe, "--base", str(folder / base), "--tasks", str(folder / tasks),
        "--out", str(folder / recipe), *OPTIONS,
    ]  # fmt: skip
    with patch.object(sys, "argv", arguments):
        status = command()
    if status:
        raise RuntimeError(f"{' '.join(arguments)} ended with exit status {status}")


def _is_backward(code: CodeType) -> bool:
    return code is torch.Tensor.backward.__code__


def _opens_rows(code: CodeType) -> bool:
    return code is inspect.unwrap(open_rows).__code__


def _is_beside(frame: FrameType) -> bool:
    """Whether a frame runs a model, grafts or loads it, or has to do with copies in the folder."""
    if frame.f_code is MODULE_CALL:
        return isinstance(frame.f_locals["self"], PreTrainedModel | PeftModel)
    return frame.f_code in BESIDE


MODULE_CALL = torch.nn.Module._call_impl.__code__
BESIDE = frozenset(
    inspect.unwrap(function).__code__
    for function in (
        coterie.graft,
        PeftModel.from_pretrained.__func__,
        PeftModel.__init__,
        RunConfig.dumps,
        Scores.read.__func__,
    )
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit 1 if a walk is too long")
    given = parser.parse_args(arguments)
    is_broken = False
    with tempfile.TemporaryDirectory() as folder:
        for name, files in count_walks(Path(folder)):
            is_over = len(files) > LIMITS[name]
            is_broken = is_broken or is_over
            if is_over or not given.check:
                print(f"{name}: {len(files)} files   [limit: at most {LIMITS[name]}]", flush=True)
            if not given.check:
                print(*(f"    {file}: {first}" for file, first in files.items()), sep="\n")
    return int(given.check and is_broken)


if __name__ == "__main__":
    sys.exit(main())
