"""A whole check, of an adapter and of what is none."""

from pathlib import Path

import pytest

from coterie import Lora, Mixture, graft
from coterie.compatibility.check import check_folder
from coterie.extract import extract
from tests.compatibility.adapters import BOTH, write_adapter, write_host
from tests.extract.copies_models import grafted as copies
from tests.extract.grafted import grafted
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


def test_extracted_folders(tmp_path: Path) -> None:
    base = write_host(tmp_path / "base")
    model, _ = grafted()
    for form in ("adapter", "adapters", "merged"):
        extract(model, task="ocr", to=tmp_path / form, format=form)  # pyright: ignore[reportArgumentType]
    assert check_folder(tmp_path / "adapter", base).is_used()
    experts = check_folder(tmp_path / "adapters", base)
    # Three experts of three linear layers and a shared one; the first has those of attention, too.
    assert experts.is_used() and experts.kind == "4 LORA adapters"
    assert experts.num_tensors == 2 * 2 * (4 * 3 + 4) and len(experts.modules) == 2 * 7
    assert check_folder(tmp_path / "merged", base).is_used("transformers")
    config = tmp_path / "adapters" / "expert-2" / "adapter_config.json"
    config.write_text(config.read_text().replace('"use_rslora": false', '"use_rslora": true'))
    (finding,) = check_folder(tmp_path / "adapters", base).findings["SGLang"]
    assert finding.effect == "wrong scale" and finding.reason.startswith("expert-2: use_rslora")


def test_a_native_mixture_and_files_for_others(base: Path, tmp_path: Path) -> None:
    folder = extract(copies(), task="any", to=tmp_path / "x", format="native")
    report = check_folder(folder, base)
    assert report.is_used("transformers") and report.kind == "a checkpoint of a MixtralForCausalLM"
    facts = folder / "coterie_extract.json"
    facts.write_text(facts.read_text().replace('"native"', '"gguf"'))
    with pytest.raises(ValueError, match=r"was extracted as gguf: llama\.cpp loads it"):
        check_folder(folder, base)


def test_what_is_no_adapter(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no folder"):
        check_folder(tmp_path / "none", base)
    with pytest.raises(ValueError, match=r"has neither adapter_config\.json nor config\.json$"):
        check_folder(tmp_path, base)
    write_adapter(tmp_path / "adapter", BOTH)
    with pytest.raises(ValueError, match=r"did you mean .*/adapter"):
        check_folder(tmp_path, base)
