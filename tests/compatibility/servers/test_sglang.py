"""What SGLang refuses, drops and scales otherwise."""

from pathlib import Path

import torch

from coterie.compatibility.servers.sglang import SGLang
from coterie.models.host import Host
from tests.compatibility.adapters import BOTH, UP, Q, lora, read_adapter, write_host


def test_refused(host: Host, tmp_path: Path) -> None:
    pattern = read_adapter(tmp_path / "x", BOTH, target_modules=".*q_proj|.*up_proj")
    (finding,) = SGLang().check(pattern, host)
    assert finding.effect == "refused" and "regular expression" in finding.reason
    assert (
        SGLang().check(read_adapter(tmp_path / "y", BOTH, target_modules="all-linear"), host) == []
    )
    (finding,) = SGLang().check(read_adapter(tmp_path / "z", BOTH, use_dora=True), host)
    assert finding.reason == "DoRA is not supported"
    name = "base_model.model.model.layers.0.mlp.wi.lora_A.weight"
    (finding,) = SGLang().check(read_adapter(tmp_path / "w", {name: torch.ones(4, 4)}), host)
    assert finding.effect == "refused" and finding.names == ["model.layers.0.mlp.wi"]


def test_dropped(host: Host, tmp_path: Path) -> None:
    whole = {"base_model.model.lm_head.weight": torch.ones(2, 2)}
    weights = BOTH | lora("layers.0.mlp.up_proj") | whole
    unmatched, others = SGLang().check(read_adapter(tmp_path / "x", weights), host)
    assert (unmatched.effect, unmatched.names) == ("dropped", ["layers.0.mlp.up_proj"])
    assert (others.effect, others.names) == ("dropped", list(whole))
    gemma = Host.load(write_host(tmp_path / "host", "gemma3"))
    tower = "model.vision_tower.encoder.layers.0.self_attn.q_proj"
    (finding,) = SGLang().check(read_adapter(tmp_path / "y", lora(tower)), gemma)
    assert (finding.effect, finding.names) == ("dropped", [tower])


def test_scaled_otherwise(host: Host, tmp_path: Path) -> None:
    root = read_adapter(tmp_path / "x", BOTH, use_rslora=True)
    (finding,) = SGLang().check(root, host)
    assert (finding.effect, finding.names) == ("wrong scale", [Q, UP])
    assert SGLang().get_command(root, host, "base") == (
        "python -m sglang.launch_server --model-path base --enable-lora --max-lora-rank 4 "
        f"--lora-paths NAME={tmp_path / 'x'}"
    )
