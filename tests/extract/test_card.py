"""The card of an extracted folder: the run's own numbers, and nothing of this machine."""

from pathlib import Path
from typing import Any

import pytest

from coterie.evaluate.scores import Scores, SharedRows, TaskScore
from coterie.extract import extract
from coterie.extract.card import is_hub_id, list_scores, write_card
from tests.extract.grafted import grafted

REPORT: dict[str, Any] = {
    "form": "merged", "task": "ocr", "tasks": ["caption", "ocr"], "class": "LlamaForCausalLM",
    "base_model_name_or_path": "/home/someone/secret/llama", "weight_error": 1.25e-7,
}  # fmt: skip


def test_a_folder_of_a_model_alone(tmp_path: Path) -> None:
    folder = extract(grafted()[0], task="ocr", to=tmp_path / "x")
    text = (folder / "README.md").read_text()
    assert text.startswith(
        '---\nlibrary_name: "peft"\ntags: ["coterie", "multi-task-learning"]\n---\n'
    )
    assert "# ocr, from unknown" in text and "It runs without coterie." in text
    assert "| vllm | --enable-lora --max-lora-rank 16 |" in text
    assert "PeftModel.from_pretrained" in text and "coterie 0." in text


def test_no_path_of_this_machine(tmp_path: Path) -> None:
    write_card(tmp_path, REPORT, None)
    text = (tmp_path / "README.md").read_text()
    assert "secret" not in text and "`llama`." in text and "base_model" not in text
    assert 'LlamaForCausalLM.from_pretrained("this folder")' in text
    assert "| largest error of a weight, by the largest | 1.2e-07 |" in text
    write_card(tmp_path, REPORT | {"base_model_name_or_path": "org/model", "task": None}, None)
    text = (tmp_path / "README.md").read_text()
    assert 'base_model: "org/model"\n' in text and "All tasks, extracted" in text


def test_hub_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here" / "model").mkdir(parents=True)
    found = [
        is_hub_id(each) for each in ("org/model", "/org/model", "./model", "embedded", "here/model")
    ]
    assert found == [True, False, False, False, False]


def test_scores() -> None:
    score = TaskScore(
        metric="token_f1", score=61.234, low=55.5, high=66.0, samples=50, higher_is_better=True,
        unit="%",
    )  # fmt: skip
    shared = {"ocr": SharedRows(count=3, first="rows.jsonl:1")}
    scores = Scores(split="test", tasks={"ocr": score, "caption": score}, trained_on=shared)
    assert list(list_scores(scores, "ocr")) == [(
        "ocr: token_f1 of the mixture",
        "61.23 % (55.5 to 66, 95 %) on 50 samples of test, 3 of which were trained on",
    )]  # fmt: skip
    assert len(list(list_scores(scores, None))) == 2
