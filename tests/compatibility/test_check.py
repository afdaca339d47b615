"""A whole check, of an adapter and of what is none."""

from pathlib import Path

import pytest

from coterie import Lora, Mixture, graft
from coterie.compatibility.check import check_folder
from tests.compatibility.adapters import BOTH, write_adapter, write_host
from tests.tiny import TINY


def test_a_plain_lora(base: Path, tmp_path: Path) -> None:
    report = check_folder(write_adapter(tmp_path / "x", BOTH), base)
    assert report.is_used() and list(report.findings) == ["PEFT", "SGLang", "llama.cpp", "vLLM"]
    assert (report.host, report.num_tensors, len(report.modules)) == ("LlamaForCausalLM", 4, 2)
    assert report.commands["vLLM"].startswith(f"vllm serve {base} --enable-lora --max-lora-rank 8")


def test_another_model_has_other_names(tmp_path: Path) -> None:
    base = write_host(tmp_path / "host", "qwen2_vl")
    report = check_folder(write_adapter(tmp_path / "x", BOTH), base)
    # Full names of a model of text alone match nothing in one with pictures.
    assert [each.effect for each in report.findings["PEFT"]] == ["refused"]
    assert [each.effect for each in report.findings["vLLM"]] == ["dropped"]


def test_an_adapter_of_coterie_is_for_peft_alone(base: Path, tmp_path: Path) -> None:
    mixture = Mixture(at="text.mlp", experts=Lora(ranks=(2, 4)))
    graft(TINY["llama"]().model, mixture).save_pretrained(tmp_path)
    report = check_folder(tmp_path, base)
    assert report.is_used("PEFT") and report.kind == "a COTERIE adapter"
    assert "coterie extract writes a plain LoRA" in report.findings["vLLM"][0].reason
    assert not report.commands


def test_what_is_no_adapter(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no folder"):
        check_folder(tmp_path / "none", base)
    with pytest.raises(ValueError, match=r"has neither adapter_config\.json nor config\.json$"):
        check_folder(tmp_path, base)
    write_adapter(tmp_path / "adapter", BOTH)
    with pytest.raises(ValueError, match=r"did you mean .*/adapter"):
        check_folder(tmp_path, base)
