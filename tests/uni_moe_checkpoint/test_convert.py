"""Converted checkpoints compute what the released layers, written out plainly, compute."""

import json
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from coterie.routing.routers.top_k import TopK
from coterie.routing.routers.top_p import TopP
from coterie.tuner.config import CoterieConfig
from coterie.uni_moe_checkpoint import convert_uni_moe
from tests.plain_dcmoe import PlainBlock
from tests.uni_moe_checkpoint.published import (
    IDS,
    SETTINGS,
    VOCABULARY,
    PlainTopP,
    PlainTopTwo,
    Tensors,
    eight,
    four,
    merge,
    omni,
)

PROJECTIONS = ("gate_proj", "up_proj", "down_proj")


def answers(to: Path) -> Tensor:
    base = AutoModelForCausalLM.from_pretrained(to / "base")
    model = peft.PeftModel.from_pretrained(base, str(to / "adapter")).double().eval()
    with torch.no_grad():
        return model(input_ids=IDS).logits


def plain(tensors: Tensors, layers: dict[int, nn.Module], kind=LlamaForCausalLM) -> Tensor:
    """Logits of a model of transformers with merged LoRAs and the plain layers."""
    config = LlamaForCausalLM.config_class(**{**SETTINGS, "model_type": "llama"})
    if kind is Qwen2ForCausalLM:
        config = Qwen2Config(**{**SETTINGS, "model_type": "qwen2"})
    config.vocab_size = VOCABULARY
    model = kind(config).double().eval()
    for name, module in list(model.named_modules()):
        if f"{name}.weight" in tensors:
            module.weight.data = merge(tensors, name)
        if f"{name}.bias" in tensors:
            module.bias.data = tensors[f"{name}.bias"].double()
    for layer, mlp in layers.items():
        model.model.layers[layer].mlp = mlp
    with torch.no_grad():
        return model(input_ids=IDS).logits


def experts(tensors: Tensors, place: str, count: int) -> list[list[Tensor]]:
    return [[merge(tensors, f"{place}.{e}.{name}") for name in PROJECTIONS] for e in range(count)]


@pytest.mark.parametrize("router", ["as_trained", "as_run"])
def test_four_experts(tmp_path: Path, router) -> None:
    torch.manual_seed(0)
    tensors = four(tmp_path)
    to = tmp_path / "to"
    report = convert_uni_moe(tmp_path / "base", tuned=tmp_path / "tuned", to=to, router=router)
    mlp = "model.layers.0.mlp"
    gate = merge(tensors, f"{mlp}.gate", with_lora=router == "as_trained")
    layer = PlainTopTwo(experts(tensors, f"{mlp}.experts", 4), gate)
    torch.testing.assert_close(answers(to), plain(tensors, {0: layer}), atol=1e-6, rtol=1e-6)
    other = PlainTopTwo(layer.experts, merge(tensors, f"{mlp}.gate", with_lora=router == "as_run"))
    assert (plain(tensors, {0: other}) - answers(to)).abs().max() > 0.01

    assert (report.layout, report.layers, report.router_loras) == ("4 experts", (0,), 1)
    assert sorted(report.connectors) == [
        "model.mm_audio_aligner.query_tokens", "model.mm_projector.0.weight"
    ]  # fmt: skip
    assert sorted(report.left_out) == [
        "model.layers.0.self_attn.rotary_emb.inv_freq", "model.vision_tower.x"
    ]  # fmt: skip
    with safe_open(to / "connectors.safetensors", framework="pt") as file:
        aligner = file.get_tensor("model.mm_audio_aligner.query_tokens")
    assert torch.equal(aligner, tensors["model.mm_audio_aligner.query_tokens"])
    assert json.loads((to / "report.json").read_text())["router"] == router
    settings = CoterieConfig.from_pretrained(to / "adapter")
    assert settings.parse_mixtures()[0].router == TopK(k=2, normalize="selected")


def test_eight_experts(tmp_path: Path) -> None:
    torch.manual_seed(1)
    tensors = eight(tmp_path)
    to = tmp_path / "to"
    report = convert_uni_moe(
        tmp_path / "base", tuned=tmp_path / "tuned", experts=tmp_path / "experts", to=to
    )
    layers = {}
    for layer in range(2):
        moe = f"model.layers.{layer}.mlp.deepspeed_moe"
        each = experts(tensors, f"{moe}.experts.deepspeed_experts", 8)
        layers[layer] = PlainTopTwo(each, merge(tensors, f"{moe}.gate.wg"))
    torch.testing.assert_close(answers(to), plain(tensors, layers), atol=1e-6, rtol=1e-6)
    assert (report.layout, report.layers, report.router_loras) == ("8 experts", (0, 1), 0)
    # 4 experts of 3 projections in one layer, and 2 routers, of the base model of 4 experts.
    assert len(report.left_out) == 14


def test_omni(tmp_path: Path) -> None:
    torch.manual_seed(2)
    tensors = omni(tmp_path)
    to = tmp_path / "to"
    report = convert_uni_moe(tmp_path / "base", to=to)
    layers: dict[int, nn.Module] = {}
    for layer in range(2):
        mlp = f"model.layers.{layer}.mlp"
        routed = f"{mlp}.dynamic_real_moe.deepspeed_moe.experts.deepspeed_experts"
        gate = merge(tensors, f"{mlp}.gate")
        shared = experts(tensors, f"{mlp}.fixed_real_moe", 2)
        layers[layer] = PlainTopP(PlainBlock(experts(tensors, routed, 2), shared, gate))
    wanted = plain(tensors, layers, Qwen2ForCausalLM)
    torch.testing.assert_close(answers(to), wanted, atol=1e-6, rtol=1e-6)
    assert (report.layout, report.left_out) == ("Uni-MoE 2.0-Omni", ("visual.blocks.0.x",))
    settings = CoterieConfig.from_pretrained(to / "adapter")
    assert settings.parse_mixtures()[0].router == TopP(p=0.7, weights="sparse_mixer")


def change_file(path: Path, change: Callable[[Tensors], object]) -> None:
    tensors = torch.load(path, weights_only=True)
    change(tensors)
    torch.save(tensors, path)


EXPERT = "base_model.model.model.layers.0.mlp.experts.3.up_proj.lora_B.weight"
FAULTS = {
    "half of a LoRA": (
        "tuned/adapter_model.bin", lambda t: t.pop(EXPERT),
        r"1 missing \(model\.layers\.0\.mlp\.experts\.3\.up_proj\.lora_B\.weight\)",
    ),
    "an unknown LoRA": (
        "tuned/adapter_model.bin",
        lambda t: t.update({"base_model.model.lm_head.lora_A.weight": torch.ones(4, 16)}),
        r"1 missing \(lm_head\.lora_B\.weight\)",
    ),
    "an unknown module": (
        "tuned/adapter_model.bin",
        lambda t: t.update({"base_model.model.other.lora_A.weight": torch.ones(4, 16)}),
        r"1 unexpected \(other\.lora_A\.weight\)",
    ),
    "an unknown side tensor": (
        "tuned/mm_audio_aligner.bin", lambda t: t.update({"model.else": torch.ones(1)}),
        r"1 unexpected \(model\.else\)",
    ),
    "another run's router": (
        "tuned/mlp_gates.bin",
        lambda t: t["model.layers.0.mlp.gate.lora_A.default.weight"].add_(1),
        "not that of the adapter",
    ),
    "no pickle of tensors": (
        "tuned/mlp_gates.bin", lambda t: t.update({"x": Path("a")}), "cannot be read as tensors",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_names_are_reported_and_nothing_is_written(tmp_path: Path, fault: str) -> None:
    four(tmp_path)
    file, change, message = FAULTS[fault]
    change_file(tmp_path / file, change)
    with pytest.raises(ValueError, match=message):
        convert_uni_moe(tmp_path / "base", tuned=tmp_path / "tuned", to=tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_all_names_are_in_a_file(tmp_path: Path) -> None:
    four(tmp_path)
    for path in (tmp_path / "base").glob("*.bin"):
        change_file(
            path, lambda t: [t.pop(n) for n in list(t) if ".experts.2." in n or "norm" in n]
        )
    with pytest.raises(ValueError, match=r"8 missing \(.*, \.\.\.\).*to\.names\.json"):
        convert_uni_moe(tmp_path / "base", tuned=tmp_path / "tuned", to=tmp_path / "to")
    # 3 projections; 2 norms in each of two layers, and the last norm.
    assert len(json.loads((tmp_path / "to.names.json").read_text())["missing"]) == 3 + 2 * 2 + 1


@pytest.mark.usefixtures("unchecked")
def test_wrong_folders(tmp_path: Path) -> None:
    four(tmp_path)
    base, tuned, to = (tmp_path / name for name in ("base", "tuned", "to"))
    with pytest.raises(ValueError, match="is there already"):
        convert_uni_moe(base, to=base)
    with pytest.raises(ValueError, match="no pytorch_model"):
        convert_uni_moe(tuned, to=to)
    with pytest.raises(ValueError, match="allowed are 'as_trained' and 'as_run'"):
        convert_uni_moe(base, to=to, router="merged")  # pyright: ignore
    with pytest.raises(ValueError, match="give both"):
        convert_uni_moe(base, to=to, experts=tuned)
    with pytest.raises(ValueError, match="no adapter_config"):
        convert_uni_moe(base, tuned=base, to=to)
    with pytest.raises(ValueError, match=r"mlp_audiocap\.bin is not there"):
        convert_uni_moe(base, tuned=tuned, experts=tuned, to=to)
