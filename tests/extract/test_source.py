"""`extract` of a run, or of its folder."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from coterie.extract import extract
from coterie.extract.source import ExtractRequest
from coterie.recipes import shared_lora
from coterie.task_file import read_tasks
from coterie.train import Run, train
from tests.cli.folders import llama_folder, text_tasks
from tests.extract.grafted import grafted


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
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
def test_run_and_folder_give_what_the_model_gives(run: Run, form: str, tmp_path: Path) -> None:
    sources = {"run": run, "path": run.folder, "text": str(run.folder), "model": run.load().model}
    weights = {
        name: extract(source, task="second", to=tmp_path / name, format=form)  # pyright: ignore[reportArgumentType]
        for name, source in sources.items()
    }
    file = {"adapter": "adapter_model.safetensors", "merged": "model.safetensors"}[form]
    assert len({(folder / file).read_bytes() for folder in weights.values()}) == 1


def test_a_merged_run_is_a_whole_model(run: Run, tmp_path: Path) -> None:
    folder = extract(run, task="first", to=tmp_path / "whole", format="merged")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        assert model(**tokenizer("what is this?", return_tensors="pt",
                                 return_token_type_ids=False)).logits.isfinite().all()  # fmt: skip


def test_errors(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not a run: it has no run\.json"):
        extract(tmp_path, task="first", to=tmp_path / "to")
    with pytest.raises(ValueError, match="the adapter's tasks are first, second"):
        extract(run, task="third", to=tmp_path / "to")
    assert not (tmp_path / "to").exists()
