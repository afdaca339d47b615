"""Checks of whole checkpoints."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from coterie.compatibility.check import check_folder
from tests.compatibility.adapters import write_host


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return write_host(tmp_path / "copy")


def test_a_whole_one(base: Path, copy: Path) -> None:
    report = check_folder(copy, base)
    assert (
        report.is_used()
        and report.kind == "a checkpoint of a LlamaForCausalLM"
        and report.num_tensors == 21
    )


def test_without_a_tokenizer_no_server_takes_it(base: Path, copy: Path) -> None:
    for file in copy.glob("tokenizer*"):
        file.unlink()
    report = check_folder(copy, base)
    assert report.is_used("transformers") and not report.is_used("vLLM")


def test_missing_strange_and_damaged_weights(base: Path, copy: Path) -> None:
    file = copy / "model.safetensors"
    weights = load_file(file)
    weights["strange"] = weights.pop("model.norm.weight")
    save_file(weights, file, metadata={"format": "pt"})
    missing, strange = check_folder(copy, base).findings["transformers"]
    assert missing.names == ["model.norm.weight"] and strange.names == ["strange"]
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        check_folder(copy, base)
    file.unlink()
    with pytest.raises(ValueError, match=r"has a config\.json and no weights"):
        check_folder(copy, base)


def test_another_model(base: Path, copy: Path, tmp_path: Path) -> None:
    other = write_host(tmp_path / "other", "qwen2")
    (finding,) = check_folder(other, base).findings["transformers"]
    assert finding.reason == "it is a Qwen2ForCausalLM, the base model a LlamaForCausalLM"
    config = json.loads((copy / "config.json").read_text())
    weights = load_file(copy / "model.safetensors")
    config["vocab_size"] += 1
    (copy / "config.json").write_text(json.dumps(config))
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        weights[name] = torch.cat([weights[name], weights[name][:1]])
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    (finding,) = check_folder(copy, base).findings["transformers"]
    assert finding.names == ["lm_head.weight", "model.embed_tokens.weight"]
