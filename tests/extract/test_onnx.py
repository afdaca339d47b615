"""Vision models as ONNX graphs; needs the extra `onnx`, without which it says so."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from coterie import Lora, Mixture, TokenGate, graft
from coterie.extract import extract
from tests.extract.dense import grafted as dense
from tests.extract.dense import mixtures
from tests.extract.grafted import STATIC, grafted
from tests.tiny import TINY


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"pip install 'coterie\[onnx\]'"):
        extract(dense(), task="depth", to=tmp_path / "x", format="onnx")


def test_a_language_model(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match="a LlamaForCausalLM reads input_ids"):
        extract(grafted()[0], task="ocr", to=tmp_path / "x", format="onnx")


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")  # shapes are symbols while a graph is traced
@pytest.mark.parametrize("found", [(), mixtures()[:1], mixtures()[1:]])
@pytest.mark.parametrize("task", ["normal", "scene"])
def test_dense_tasks(found: tuple[Mixture, ...], task: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    folder = extract(dense(found=found), task=task, to=tmp_path / "x", format="onnx")
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert report["probe_error"] < 1e-5 and report["input"] == ["batch", 3, 28, 28]


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
def test_a_merged_classifier(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    tiny = TINY["vit"]()
    mixture = Mixture(at="vision.mlp", experts=Lora(ranks=(2, 4)), gate=STATIC)
    model = graft(tiny.model, mixture, tasks=("a", "b")).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "coterie_" in name:
                weight.add_(torch.randn_like(weight) * 0.1)
    folder = extract(model, task="b", to=tmp_path / "x", format="onnx", probe=tiny.batch)
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert report["probe_error"] < 1e-5
    routed = graft(TINY["vit"]().model, replace(mixture, gate=TokenGate()))
    with pytest.raises(ValueError, match="a TokenGate, which reads the input"):
        extract(routed, task="b", to=tmp_path / "y", format="onnx")
