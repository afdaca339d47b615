"""Reading an adapter's folder: ranks and scales by hand, and one line for each damage."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from coterie.compatibility.adapter_folder import AdapterFolder
from tests.compatibility.adapters import BOTH, UP, Q, lora, read_adapter, write_adapter


def test_shapes_and_ranks(tmp_path: Path) -> None:
    weights = lora(Q, 4) | lora(UP, 16) | {"base_model.model.lm_head.weight": torch.ones(2, 2)}
    found = read_adapter(tmp_path / "x", weights)
    assert found.ranks == {Q: 4, UP: 16}
    assert found.other_tensors == ["base_model.model.lm_head.weight"]
    assert found.shapes[f"base_model.model.{UP}.lora_B.weight"] == (64, 16)


def test_scales_as_peft_has_them(tmp_path: Path) -> None:
    patterns: dict[str, Any] = {"rank_pattern": {"up_proj": 16}, "alpha_pattern": {"q_proj": 2}}
    found = read_adapter(tmp_path / "x", lora(Q, 4) | lora(UP, 16), **patterns)
    # q_proj: 2 / 4; up_proj: 8 / 16.
    assert (found.compute_scale(Q), found.compute_scale(UP)) == (0.5, 0.5)
    found = read_adapter(tmp_path / "y", lora(Q, 4) | lora(UP, 16), use_rslora=True, **patterns)
    # q_proj: 2 / sqrt(4); up_proj: 8 / sqrt(16).
    assert (found.compute_scale(Q), found.compute_scale(UP)) == (1.0, 2.0)


def test_the_type_of_a_saved_coterie_adapter(tmp_path: Path) -> None:
    saved = "COTERIE, which `import coterie` adds to PEFT"
    assert read_adapter(tmp_path / "x", BOTH, peft_type=saved).peft_type == "COTERIE"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"r": "4"}, "adapter_config.json: r = '4' has a wrong type"),
        ({"r": 0}, "r = 0: it must be above 0"),
        ({"peft_type": None}, "has no peft_type"),
        ({"rank_pattern": {"(": 2}}, r"'\(' is no regular expression"),
    ],
)
def test_wrong_fields(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_adapter(tmp_path / "x", BOTH, **config)


def test_damaged_and_missing_files_are_one_line(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "x", BOTH)
    config, weights = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8])
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors is damaged"):
        AdapterFolder.read(folder)
    weights.unlink()
    with pytest.raises(ValueError, match=r"has no adapter_model\.safetensors"):
        AdapterFolder.read(folder)
    (folder / "adapter_model.bin").touch()
    with pytest.raises(ValueError, match="is a pickle, which can run code"):
        AdapterFolder.read(folder)
    config.write_text("{")
    with pytest.raises(ValueError, match=r"adapter_config\.json is not JSON"):
        AdapterFolder.read(folder)
    config.write_text(json.dumps([1]))
    with pytest.raises(ValueError, match="has no peft_type"):
        AdapterFolder.read(folder)
    config.unlink()
    with pytest.raises(ValueError, match=r"has no adapter_config\.json"):
        AdapterFolder.read(folder)
    with pytest.raises(ValueError, match="has no tensors"):
        read_adapter(tmp_path / "empty", {})
