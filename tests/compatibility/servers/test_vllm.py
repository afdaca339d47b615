"""What vLLM refuses, drops and scales otherwise."""

from pathlib import Path
from typing import Any

import pytest
import torch

from coterie.compatibility.servers.vllm import VLlm, get_rank_flag
from coterie.models.host import Host
from tests.compatibility.adapters import BOTH, UP, Q, lora, read_adapter, write_host


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"modules_to_save": ["lm_head"]}, "modules_to_save must be null"),
        ({"use_dora": True}, "DoRA is not supported"),
        ({"bias": "all"}, "bias must be 'none'"),
        ({"r": 600, "lora_alpha": 1200}, "rank 600 is above the 512"),
    ],
)
def test_refused(host: Host, tmp_path: Path, config: dict[str, Any], said: str) -> None:
    rank = config.get("r", 4)
    found = VLlm().check(read_adapter(tmp_path / "x", lora(Q, rank), **config), host)
    assert [each.effect for each in found] == ["refused"] and said in found[0].reason


def test_names(host: Host, tmp_path: Path) -> None:
    strange = {f"base_model.model.model.layers.0.mlp.wi.lora_{half}.weight": torch.ones(4, 4)
               for half in "AB"}  # fmt: skip
    weights = BOTH | lora("layers.0.mlp.up_proj") | strange | {f"{Q}.bias": torch.ones(32)}
    refused, unknown_name, dropped = VLlm().check(read_adapter(tmp_path / "x", weights), host)
    assert refused.names == [f"{Q}.bias"] and refused.effect == "refused"
    assert unknown_name.names == ["model.layers.0.mlp.wi"] and unknown_name.effect == "refused"
    assert dropped.names == ["layers.0.mlp.up_proj"] and dropped.effect == "dropped"


def test_one_scale_for_all(host: Host, tmp_path: Path) -> None:
    adapter = read_adapter(tmp_path / "x", lora(Q) | lora(UP, 16), rank_pattern={"up_proj": 16})
    (finding,) = VLlm().check(adapter, host)
    assert finding.effect == "wrong scale" and finding.names == [UP]
    assert "--max-lora-rank 16 " in VLlm().get_command(adapter, host, "base")


def test_flags(tmp_path: Path) -> None:
    assert [get_rank_flag(rank) for rank in (1, 2, 16, 257, 512, 513)] == [1, 8, 16, 320, 512, None]
    host = Host.load(write_host(tmp_path / "host", "gemma3"))
    tower = lora("model.vision_tower.encoder.layers.0.self_attn.q_proj")
    adapter = read_adapter(tmp_path / "x", tower)
    assert VLlm().check(adapter, host) == []
    assert VLlm().get_command(adapter, host, "base") == (
        "vllm serve base --enable-lora --max-lora-rank 8 --enable-tower-connector-lora "
        f"--lora-modules NAME={tmp_path / 'x'}"
    )
