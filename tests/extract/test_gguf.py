"""GGUF by a stand-in for llama.cpp's converter; the real one was not run."""

import json
from pathlib import Path

import pytest

import coterie
from coterie import Copies, Lora, Mixture, Recipe, Stage, TokenGate, TopK
from coterie.extract import extract
from coterie.extract.gguf import CONVERTER, find_converter
from coterie.train import Run
from tests.cli.folders import llama_folder, text_tasks
from tests.extract.grafted import grafted

STAND_IN = Path(__file__).with_name("llama_cpp.py")
LORA = Mixture(at="text.mlp", experts=Lora(ranks=(2,)), gate=None)
COPIES = Mixture(
    at="text.mlp", experts=Copies(count=3), gate=TokenGate(), router=TopK(normalize="selected")
)


@pytest.fixture(scope="module")
def llama_cpp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama.cpp")
    (folder / CONVERTER).write_text(STAND_IN.read_text())
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One of a LoRA, and one of copies."""
    folder = tmp_path_factory.mktemp("runs")
    base, tasks = llama_folder(folder / "model"), coterie.read_tasks(text_tasks(folder / "data"))
    stage = Stage(name="one", steps=1, batch_size=2, learning_rate=1e-2)
    found = {}
    for name, mixture in (("lora", LORA), ("copies", COPIES)):
        recipe = Recipe(name=name, mixtures=(mixture,), stages=(stage,))
        found[name] = coterie.train(recipe, base=str(base), tasks=tasks, out=folder / name)
    return found


@pytest.mark.parametrize(
    ("name", "checkpoint", "matrices"),
    # Two layers of four matrices of attention and three of an MLP, or of each of three experts and
    # a gate; the embedding and the head.
    [("lora", "merged", 16), ("copies", "native", 2 * (4 + 3 * 3 + 1) + 2)],
)
def test_converted(
    runs: dict[str, Run], name: str, checkpoint: str, matrices: int, llama_cpp: Path, tmp_path: Path
) -> None:
    folder = extract(runs[name], task="first", to=tmp_path / "x", format="gguf",
                     llama_cpp=llama_cpp)  # fmt: skip
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert {file.name for file in folder.iterdir()} == {
        "model.gguf",
        "coterie_extract.json",
        "README.md",
    }
    assert (report["checkpoint"], report["matrices"]) == (checkpoint, matrices)
    assert report["matrices_not_found"] == [] and report["energy_error"] < 1e-6


def test_errors(
    runs: dict[str, Run], llama_cpp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="needs the tokenizer: give a run"):
        extract(grafted()[0], task="ocr", to=tmp_path / "x", format="gguf", llama_cpp=llama_cpp)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / CONVERTER).write_text("import sys; print('one'); sys.exit('Model is not supported')")
    with pytest.raises(ValueError, match=r"ended with 1: one \| Model is not supported"):
        extract(runs["lora"], task="first", to=tmp_path / "x", format="gguf", llama_cpp=broken)
    (broken / CONVERTER).write_text(
        STAND_IN.read_text().replace("weight.astype", "(0 * weight).astype")
    )
    with pytest.raises(RuntimeError, match="has none of the checkpoint's weights"):
        extract(runs["lora"], task="first", to=tmp_path / "x", format="gguf", llama_cpp=broken)
    assert not (tmp_path / "x").exists()


def test_where_the_converter_is(
    llama_cpp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_converter(llama_cpp) == llama_cpp / CONVERTER
    with pytest.raises(ValueError, match=r"has no convert_hf_to_gguf\.py"):
        find_converter(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="is not on PATH: git clone"):
        find_converter(None)
    monkeypatch.setenv("PATH", f"{tmp_path}:{llama_cpp}")
    assert find_converter(None) == llama_cpp / CONVERTER
