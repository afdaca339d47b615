"""A base model without weights: its class, shapes and towers."""

import json
from pathlib import Path

import pytest

from coterie.models.host import Host
from tests.compatibility.adapters import UP, Q, write_host


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_host(tmp_path / "llama")


def test_it_has_shapes_and_no_values(base: Path) -> None:
    host = Host.load(base)
    assert host.name == "LlamaForCausalLM"
    assert host.linears[Q] == (32, 32) and host.linears[UP] == (64, 32)
    assert {str(weight.device) for weight in host.model.parameters()} == {"meta"}
    assert host.get_tower(Q) == "text"


def test_towers(tmp_path: Path) -> None:
    found = Host.load(write_host(tmp_path / "gemma", "gemma3"))
    name = "model.vision_tower.encoder.layers.0.self_attn.q_proj"
    assert name in found.linears and found.get_tower(name) == "vision"


def test_quantised_and_nameless_configurations(base: Path, tmp_path: Path) -> None:
    config = json.loads((base / "config.json").read_text())
    del config["architectures"]
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = Host.load(tmp_path)
    assert found.name == "LlamaForCausalLM" and found.linears[UP] == (64, 32)


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no config\.json"):
        Host.load(tmp_path)
