"""What llama.cpp's converter refuses, drops and scales otherwise."""

from pathlib import Path

import torch

from coterie.compatibility.servers.llama_cpp import LlamaCpp
from coterie.models.host import Host
from tests.compatibility.adapters import BOTH, UP, Q, lora, read_adapter, write_host


def test_refused(host: Host, tmp_path: Path) -> None:
    head = "base_model.model.lm_head.weight"
    norm = "base_model.model.model.layers.0.input_layernorm.weight"
    whole = {head: torch.ones(2, 2), norm: torch.ones(32)}
    others, unmatched = LlamaCpp().check(
        read_adapter(tmp_path / "x", BOTH | lora("layers.0.mlp.up_proj") | whole), host
    )
    # Norms are taken, a whole head is not.
    assert (others.effect, others.names) == ("refused", [head])
    assert (unmatched.effect, unmatched.names) == ("refused", ["layers.0.mlp.up_proj"])


def test_dropped(tmp_path: Path) -> None:
    gemma = Host.load(write_host(tmp_path / "host", "gemma3"))
    tower = "model.vision_tower.encoder.layers.0.self_attn.q_proj"
    (finding,) = LlamaCpp().check(read_adapter(tmp_path / "y", lora(tower)), gemma)
    assert (finding.effect, finding.names) == ("dropped", [tower])


def test_scaled_otherwise(host: Host, tmp_path: Path) -> None:
    # The rank is that of the tensors, so that a rank_pattern does no harm.
    wide = read_adapter(tmp_path / "x", lora(Q) | lora(UP, 16), rank_pattern={"up_proj": 16})
    assert LlamaCpp().check(wide, host) == []
    root = read_adapter(tmp_path / "y", BOTH, use_rslora=True)
    (finding,) = LlamaCpp().check(root, host)
    assert (finding.effect, finding.names) == ("wrong scale", [Q, UP])
    assert LlamaCpp().get_command(root, host, "base").startswith("python convert_lora_to_gguf.py ")
