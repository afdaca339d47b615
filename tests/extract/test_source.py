"""`extract` of a run, or of its folder; and where a task's expert usage comes from."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import coterie
from coterie.extract import extract
from coterie.extract.source import ExtractRequest, read_usage_from_run
from coterie.recipes import shared_lora
from coterie.task_file import read_tasks
from coterie.train import Run, train
from tests.cli.folders import llama_folder, text_tasks
from tests.extract.dense import report
from tests.extract.grafted import grafted


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    tasks = read_tasks(text_tasks(folder / "data"))
    base = llama_folder(folder / "model")
    return train(
        shared_lora(rank=2), base=base, tasks=tasks, out=folder / "run", steps=2, batch_size=2
    )


def test_a_model_is_taken_as_it_is() -> None:
    model, _ = grafted()
    found = ExtractRequest.open(model, task="any")
    assert found.model is model and found.run is None and found.processor is None


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_run_and_folder_give_what_the_model_gives(text_run: Run, form: str, tmp_path: Path) -> None:
    sources = {
        "run": text_run,
        "path": text_run.folder,
        "text": str(text_run.folder),
        "model": text_run.load().model,
    }
    weights = {
        name: extract(source, task="second", to=tmp_path / name, format=form)  # pyright: ignore[reportArgumentType]
        for name, source in sources.items()
    }
    file = {"adapter": "adapter_model.safetensors", "merged": "model.safetensors"}[form]
    assert len({(folder / file).read_bytes() for folder in weights.values()}) == 1


def test_a_merged_run_is_a_whole_model(text_run: Run, tmp_path: Path) -> None:
    folder = extract(text_run, task="first", to=tmp_path / "whole", format="merged")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        assert model(**tokenizer("what is this?", return_tensors="pt",
                                 return_token_type_ids=False)).logits.isfinite().all()  # fmt: skip


def test_errors(text_run: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not a run: it has no run\.json"):
        extract(tmp_path, task="first", to=tmp_path / "to")
    with pytest.raises(ValueError, match="the adapter's tasks are first, second"):
        extract(text_run, task="third", to=tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_what_an_evaluation_has_noted(run: Run, tmp_path: Path) -> None:
    layer = {"experts": ["copies 1"], "mean_weight": {"first": [0.5]}, "chosen": {"first": [0.25]}}
    (tmp_path / "routing.json").write_text(json.dumps({"layers": {"mlp": layer}}))
    evaluated = Run(tmp_path, run.config)
    assert read_usage_from_run(evaluated, "first") == {"mlp": {"chosen": [0.25]}}
    assert read_usage_from_run(evaluated, "second") == {} == read_usage_from_run(run, "depth")


def test_an_evaluation_s_use_comes_first(run: Run, tmp_path: Path) -> None:
    coterie.evaluate(run, split="test")
    found = report(coterie.extract(run.folder, task="depth", to=tmp_path / "small"))
    (run.folder / "routing.json").unlink()
    assert found["use"] == {"seen": "routing.json", "split": "test"}
    found = report(coterie.extract(run, task="depth", to=tmp_path / "asked", use="validation"))
    assert found["use"] == {"seen": "measured", "split": "validation"}
