"""The plain LoRA's folder: what is in it, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel
from peft.tuners.tuners_utils import check_target_module_exists
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from coterie import Lora, Mixture, Rectified, TaskGate, graft
from coterie.extract import extract
from coterie.extract.adapter import make_target_modules, make_vllm_flags, pad_rank, verify
from coterie.extract.fixed_task import make_fixed_task_loras
from coterie.extract.merged import copy_without_mixtures
from tests.extract.grafted import grafted, only
from tests.tiny import TINY


def test_folder_is_as_vllm_wants_it(tmp_path: Path) -> None:
    model, _ = grafted("qwen2_vl")
    folder = extract(model, task="ocr", to=tmp_path / "ocr")
    config = json.loads((folder / "adapter_config.json").read_text())
    # Kept at most: 8 + 4 of the top 2, and the always-on 3: 15, so 16.
    assert config["peft_type"] == "LORA" and config["r"] == config["lora_alpha"] == 16
    assert config["bias"] == "none" and config["modules_to_save"] is None
    assert not config["rank_pattern"] and not config["alpha_pattern"]
    assert not config["use_rslora"] and not config["use_dora"]
    assert config["auto_mapping"]["base_model_class"] == "Qwen2VLForConditionalGeneration"
    weights = load_file(folder / "adapter_model.safetensors")
    assert len(weights) == 2 * len(config["target_modules"]) == 28
    key = "base_model.model.model.language_model.layers.0.mlp.down_proj.lora_{}.weight"
    assert weights[key.format("A")].shape == (16, 64) and weights[key.format("B")].shape == (32, 16)
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_report(tmp_path: Path) -> None:
    model, _ = grafted()
    folder = extract(model, task="ocr", to=tmp_path / "ocr")
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert (report["task"], report["tasks"]) == ("ocr", ["caption", "ocr"])
    assert report["vllm"] == "--enable-lora --max-lora-rank 16" and report["rank"] == 16
    assert 0 < report["weight_error"] < report["weight_tolerance"] == 1e-6
    assert report["num_modules"] == len(report["modules"]) == 14
    assert report["mixtures"][1]["at"] == "text.attn" and "probe_error" not in report
    assert report["modules"]["model.layers.0.self_attn.q_proj"] == {"gates": [1.0], "ranks": [5]}


def test_loads_beside_the_mixtures(tmp_path: Path) -> None:
    # The routed model is as it was, and a fresh host with the adapter answers as it does.
    model, tiny = grafted()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    flags = {name: weight.requires_grad for name, weight in model.named_parameters()}
    folder = extract(model.train(), task="caption", to=tmp_path / "one", probe=tiny.batch)
    assert model.training
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == flags
    assert all(torch.equal(before[name], weight) for name, weight in model.named_parameters())
    assert model.active_adapters == ["default"]
    plain = PeftModel.from_pretrained(copy_without_mixtures(model, "default"), folder).eval()
    model.eval()
    with torch.no_grad():
        wanted = model(**tiny.batch, task_ids=torch.zeros(2, dtype=torch.int64)).logits
        torch.testing.assert_close(plain(**tiny.batch).logits, wanted, atol=1e-5, rtol=0)


def test_experts_without_weight_are_dropped(tmp_path: Path) -> None:
    model, tiny = only(
        Mixture(experts=Lora(ranks=(4, 16)), gate=TaskGate(per_token=False), router=Rectified())
    )
    for name, weight in model.named_parameters():
        if "coterie_gate" in name:
            weight.data = torch.tensor([[0.5, -1.0], [-1.0, -1.0]])
    folder = extract(model, task="caption", to=tmp_path / "caption", probe=tiny.batch)
    assert json.loads((folder / "adapter_config.json").read_text())["r"] == 8
    folder = extract(model, task="ocr", to=tmp_path / "ocr", probe=tiny.batch)
    weights = load_file(folder / "adapter_model.safetensors")
    assert not any(weight.any() for weight in weights.values())


def test_a_second_adapter_can_be_cut(tmp_path: Path) -> None:
    model, tiny = grafted()
    graft(model, Mixture(experts=Lora(ranks=(3,)), gate=None), adapter="other")
    for name, weight in model.named_parameters():
        if "coterie_experts.other" in name:
            weight.data.normal_(0, 0.1)
    folder = extract(model, task="all", to=tmp_path / "x", adapter="other", probe=tiny.batch)
    assert json.loads((folder / "coterie_extract.json").read_text())["num_modules"] == 6
    assert model.active_adapters == ["other"]
    extract(model, task="ocr", to=tmp_path / "y", probe=tiny.batch)
    assert model.active_adapters == ["other"]


def test_vision_tower_flag() -> None:
    model, _ = grafted("qwen2_vl", (Mixture(at="vision.mlp", gate=None, experts=Lora(ranks=(3,))),))
    shares = make_fixed_task_loras(model, "default", "ocr")
    assert (
        make_vllm_flags(shares, 24)
        == "--enable-lora --max-lora-rank 32 --enable-tower-connector-lora"
    )
    assert make_vllm_flags(shares, 520).startswith("none: rank 520 is above the 512")


def test_names_that_end_alike_are_told_apart() -> None:
    host = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.ModuleDict({"a": nn.Linear(2, 2)})})
    for names, found in ((["a"], ["a"]), (["b.a"], ["b.a"])):
        config = LoraConfig(target_modules=make_target_modules(host, names))
        hit = [name for name, _ in host.named_modules() if check_target_module_exists(config, name)]
        assert hit == found
    assert isinstance(make_target_modules(host, ["a"]), str) and make_target_modules(
        host, ["b.a"]
    ) == ["b.a"]


def test_padding() -> None:
    wide = pad_rank(torch.ones(2, 3, dtype=torch.float64), 4, axis=0)
    assert wide.tolist() == [[1.0] * 3] * 2 + [[0.0] * 3] * 2 and wide.dtype == torch.float32
    assert pad_rank(torch.ones(3, 2), 4, axis=1).tolist() == [[1.0, 1.0, 0.0, 0.0]] * 3


def test_refuses_what_a_lora_cannot_hold(tmp_path: Path) -> None:
    model, _ = grafted(modules_to_save=["lm_head"])
    with pytest.raises(ValueError, match=r"modules_to_save=\['lm_head'\].*format='merged'"):
        extract(model, task="ocr", to=tmp_path / "x")
    model, tiny = grafted()
    tiny.model.get_submodule("model.norm").requires_grad_(True)
    with pytest.raises(ValueError, match=r"model\.norm\.weight.*format='merged'"):
        extract(model, task="ocr", to=tmp_path / "x")
    assert not any(tmp_path.iterdir())


def test_verify_finds_damage(tmp_path: Path) -> None:
    model, _ = grafted()
    folder = extract(model, task="ocr", to=tmp_path / "x")
    shares, host = (
        make_fixed_task_loras(model, "default", "ocr"),
        copy_without_mixtures(model, "default"),
    )
    assert verify(host, shares, folder) < 1e-6
    file = folder / "adapter_model.safetensors"
    weights = load_file(file)
    name = "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"
    save_file({**weights, name: weights[name] * 1.01}, file)
    assert verify(host, shares, folder) == pytest.approx(0.01, rel=1e-3)
    del weights[name]
    save_file(weights, file)
    with pytest.raises(RuntimeError, match="other modules"):
        verify(host, shares, folder)


@pytest.mark.parametrize("bits", ["load_in_4bit", "load_in_8bit"])
def test_cut_from_a_quantised_host(tmp_path: Path, bits: str) -> None:
    pytest.importorskip("bitsandbytes")
    tiny = TINY["llama"]()
    tiny.model.save_pretrained(tmp_path / "base")
    host = AutoModelForCausalLM.from_pretrained(
        tmp_path / "base", quantization_config=BitsAndBytesConfig(**{bits: True})
    )
    model = graft(host, Mixture(experts=Lora(ranks=(3,)), gate=None))
    for name, weight in model.named_parameters():
        if "coterie_experts" in name:
            weight.data.normal_(0, 0.1)
    extract(model, task="any", to=tmp_path / "x", probe=tiny.batch)
    with pytest.raises(ValueError, match="quantised"):
        extract(model, task="any", to=tmp_path / "y", format="merged")
