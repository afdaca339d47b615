"""What PEFT does with an adapter, as PEFT itself says when it loads it with weights."""

import warnings
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from coterie import Lora, Mixture, graft
from coterie.compatibility.adapter_folder import AdapterFolder
from coterie.compatibility.peft_match import match
from coterie.models.host import Host
from tests.compatibility.adapters import BOTH, UP, Q, lora, read_adapter
from tests.tiny import TINY


def test_all_is_used(host: Host, tmp_path: Path) -> None:
    found = match(read_adapter(tmp_path / "x", BOTH), host)
    assert found.modules == [Q, UP] and not found.findings


def test_a_tensor_without_a_place_is_dropped_silently(
    host: Host, base: Path, tmp_path: Path
) -> None:
    weights = BOTH | lora("model.layers.7.mlp.up_proj")
    folder = read_adapter(tmp_path / "x", weights)
    (finding,) = match(folder, host).findings
    names = [f"base_model.model.model.layers.7.mlp.up_proj.lora_{half}.weight" for half in "AB"]
    assert finding.effect == "dropped" and finding.names == names
    with warnings.catch_warnings():  # PEFT is silent of it
        warnings.simplefilter("error", UserWarning)
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder.path)


def test_a_module_without_a_tensor_is_missing(host: Host, tmp_path: Path) -> None:
    (finding,) = match(read_adapter(tmp_path / "x", lora(Q)), host).findings
    assert finding.effect == "unknown" and "stay as initialised" in finding.reason
    assert finding.names[0] == f"base_model.model.{UP}.lora_A.weight"


def test_another_shape_is_refused(host: Host, tmp_path: Path) -> None:
    weights = lora(Q) | {
        name: torch.ones(4, 31) if "lora_A" in name else each for name, each in lora(UP).items()
    }
    (finding,) = match(read_adapter(tmp_path / "x", weights), host).findings
    assert finding.effect == "refused" and "is [4, 31], and this base model has" in finding.reason


@pytest.mark.parametrize(
    ("target", "said"), [("nothing", "Target modules"), ("(", "unterminated subpattern")]
)
def test_no_module_of_the_name(host: Host, tmp_path: Path, target: str, said: str) -> None:
    found = match(read_adapter(tmp_path / "x", BOTH, target_modules=target), host)
    assert not found.modules and said in found.findings[0].reason


def test_a_file_that_names_a_module_of_its_own(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('code of the adapter was run')")
    monkeypatch.syspath_prepend(tmp_path)
    config = {"megatron_config": {"a": 1}, "megatron_core": "evil", "init_lora_weights": "pissa"}
    assert not match(read_adapter(tmp_path / "x", BOTH, **config), host).findings


def test_other_methods_are_not_loaded(host: Host, tmp_path: Path) -> None:
    (finding,) = match(read_adapter(tmp_path / "x", BOTH, peft_type="XLORA"), host).findings
    assert finding.effect == "unknown" and "adapters of XLORA are not checked" in finding.reason


def test_modules_to_save_without_weights(host: Host, tmp_path: Path) -> None:
    (finding,) = match(
        read_adapter(tmp_path / "x", BOTH, modules_to_save=["lm_head"]), host
    ).findings
    assert finding.effect == "refused" and "lm_head.weight" in finding.reason


def test_everything_that_peft_saves(host: Host, tmp_path: Path) -> None:
    config = LoraConfig(
        r=4, target_modules=["q_proj", "up_proj"], use_dora=True, modules_to_save=["lm_head"],
        bias="lora_only", rank_pattern={"up_proj": 2}, trainable_token_indices=[1, 2],
    )  # fmt: skip
    get_peft_model(TINY["llama"]().model, config).save_pretrained(tmp_path)
    found = match(AdapterFolder.read(tmp_path), host)
    # q_proj and up_proj of two layers, the head, and the tokens of the embedding.
    assert not found.findings and len(found.modules) == 6


def test_an_adapter_of_coterie(host: Host, tmp_path: Path) -> None:
    mixture = Mixture(at="text.mlp", experts=Lora(ranks=(2, 4)))
    graft(TINY["llama"]().model, mixture).save_pretrained(tmp_path)
    found = match(AdapterFolder.read(tmp_path), host)
    assert not found.findings and len(found.modules) == 6
