"""A user's path: ten rows of their own, a model of another family, and plain PEFT afterwards."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor

from coterie.train import Run
from tests.cli.calls import Calls
from tests.cli.folders import llava_folder, ten_rows


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, with a tiny LLaVA and ten pictures; commands run in it."""
    llava_folder(tmp_path / "model")
    ten_rows(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_ten_rows_to_a_report(there: Path, coterie: Calls) -> None:
    data = ("--base", "model", "--tasks", "data/tasks.yaml")
    small = ("--steps", "3", "--batch-size", "4", "--set", "ranks=2,4")
    assert coterie("train", "rode", *data, *small, "--out", "runs/rode").code == 0
    again = coterie("train", "runs/rode", "--resume", "--steps", "4")
    assert again.code == 0 and "runs/rode: trained 4 steps" in again.out
    assert coterie("evaluate", "runs/rode").code == 0
    assert coterie("evaluate", "runs/rode", "--blind").code == 0
    scores = json.loads((there / "runs/rode/scores.json").read_text())
    assert scores["tasks"]["colour"]["samples"] >= 1
    called = coterie("report", "runs/rode", "--to", "report.html")
    assert called.code == 0 and "data:image" in (there / "report.html").read_text()
    picture = ("--image", "data/pictures/0.png")
    called = coterie("generate", "runs/rode", *picture, "what colour is 0?")
    assert called.code == 0 and called.out
    answers = ("--rows", "data/rows.jsonl", "--out", "answers.jsonl")
    assert coterie("generate", "runs/rode", *answers).out == "answers.jsonl: 10 new answers\n"
    again = coterie("generate", "runs/rode", *answers)
    assert again.out == "answers.jsonl: 0 new answers, 10 were there\n"
    first = json.loads((there / "answers.jsonl").read_text().partition("\n")[0])
    assert first["row"] == "rows.jsonl:1" and first["answer"] == called.out.strip()
    called = coterie("generate", "runs/rode", "--rows", "data/rows.jsonl")
    assert called.code == 2 and "--rows and --out go together" in called.err

    # Plain transformers and PEFT; coterie is imported, and that is all.
    base = AutoModelForImageTextToText.from_pretrained("model")
    model = PeftModel.from_pretrained(base, "runs/rode/adapter").eval()
    mine = Run.read("runs/rode").load().model
    assert AutoProcessor.from_pretrained("model") is not None
    for (name, weight), (_, wanted) in zip(
        model.named_parameters(), mine.named_parameters(), strict=True
    ):
        assert torch.equal(weight, wanted), name


def test_an_extracted_adapter_needs_no_coterie(there: Path, coterie: Calls) -> None:
    data = ("--base", "model", "--tasks", "data/tasks.yaml")
    small = ("--steps", "3", "--batch-size", "4", "--set", "rank=4")
    called = coterie("train", "shared_lora", *data, *small, "--out", "runs/my one")
    assert called.code == 0 and called.out.endswith("next: coterie evaluate 'runs/my one'\n")
    assert coterie("extract", "runs/my one", "--task", "colour", "--to", "plain").code == 0
    merged = ("--to", "whole", "--format", "merged")
    assert coterie("extract", "runs/my one", "--task", "colour", *merged).code == 0
    assert json.loads((there / "plain/adapter_config.json").read_text())["peft_type"] == "LORA"

    base = AutoModelForImageTextToText.from_pretrained("model")
    plain = PeftModel.from_pretrained(base, "plain").eval()
    whole = AutoModelForImageTextToText.from_pretrained("whole").eval()
    assert AutoProcessor.from_pretrained("whole") is not None
    ids = torch.arange(4, 12)[None]
    with torch.no_grad():
        wanted = plain(input_ids=ids).logits
        torch.testing.assert_close(whole(input_ids=ids).logits, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--base", "modle", "--tasks", "data/tasks.yaml"], "modle"),
        (["--base", "./modle", "--tasks", "data/tasks.yaml"], "base='./modle' is no folder"),
        (["--base", "model", "--tasks", "task.yaml"], "task.yaml cannot be read"),
        (["--base", "model", "--tasks", "data/tasks.yaml:color"], "did you mean colour?"),
        (["--base", "model"], "recipe 'rode' has neither model nor data: give --tasks"),
        ([], "give --base and --tasks"),
    ],
)
def test_mistakes(arguments: list[str], said: str, there: Path, coterie: Calls) -> None:
    called = coterie("train", "rode", *arguments, "--out", "runs/x")
    assert called.code == 2, called
    assert said in called.err and called.err.startswith("coterie: ")
    assert "Traceback" not in called.err


def test_bad_rows(there: Path, coterie: Calls) -> None:
    with (there / "data" / "rows.jsonl").open("a") as file:
        file.write('{"image": "none.png", "question": "?", "answer": "red"}\n')
    data = ("--base", "model", "--tasks", "data/tasks.yaml", "--steps", "1", "--batch-size", "2")
    called = coterie("train", "shared_lora", *data, "--set", "rank=2", "--out", "runs/x")
    assert called.code == 2 and "rows.jsonl:11" in called.err and "none.png" in called.err
    more = ("--out", "runs/y", "--skip-bad-rows", "--set", "rank=2")
    assert coterie("train", "shared_lora", *data, *more).code == 0
    assert "rows.jsonl:11" in (there / "runs/y/bad_rows.jsonl").read_text()
    called = coterie("report", "runs/y")
    assert called.code == 0 and "without scores: " in called.out


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            ["--task", "color"],
            "there is no task 'color' (did you mean colour?): give one of colour",
        ),
        (["--task", "colour", "--image", "none.png"], "none.png"),
        (["--task", "colour", "--image", "data/tasks.yaml"], "tasks.yaml"),
    ],
)
def test_wrong_questions(task: list[str], said: str, there: Path, coterie: Calls) -> None:
    data = ("--base", "model", "--tasks", "data/tasks.yaml", "--steps", "1", "--batch-size", "2")
    assert coterie("train", "shared_lora", *data, "--set", "rank=2", "--out", "runs/x").code == 0
    called = coterie("generate", "runs/x", *task, "what colour?")
    assert called.code == 2 and said in called.err, called
