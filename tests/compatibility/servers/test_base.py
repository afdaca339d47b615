"""What all servers have in common."""

from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model

from coterie.compatibility.adapter_folder import AdapterFolder
from coterie.compatibility.servers.base import Server, find_other_scales, list_servers
from coterie.models.host import Host
from tests.compatibility.adapters import BOTH, UP, Q, lora, read_adapter, write_host
from tests.tiny import TINY


@pytest.mark.parametrize("server", list_servers(), ids=lambda each: each.name)
def test_every_server(server: Server, host: Host, tmp_path: Path) -> None:
    plain = read_adapter(tmp_path / "x", BOTH)
    assert server.check(plain, host) == [] and server.source
    assert str(plain.path) in server.get_command(plain, host, "base")
    (finding,) = server.check(read_adapter(tmp_path / "y", BOTH, peft_type="LOHA"), host)
    assert finding.effect == "refused" and "not LOHA" in finding.reason


def test_scales(host: Host, tmp_path: Path) -> None:
    # alpha 8: PEFT has 8/4 at q_proj, and 8/16 at up_proj, whose rank is 16.
    wide = read_adapter(tmp_path / "x", lora(Q) | lora(UP, 16), rank_pattern={"up_proj": 16})
    assert find_other_scales(wide, host, rank="r", knows_rslora=True) == [UP]
    assert find_other_scales(wide, host, rank="own", knows_rslora=False) == []
    root = read_adapter(tmp_path / "y", BOTH, use_rslora=True)
    assert find_other_scales(root, host, rank="r", knows_rslora=True) == []
    assert find_other_scales(root, host, rank="r", knows_rslora=False) == [Q, UP]
    alpha = read_adapter(tmp_path / "z", BOTH, alpha_pattern={"q_proj": 1})
    assert find_other_scales(alpha, host, rank="own", knows_rslora=False) == [Q]


@pytest.mark.parametrize("server", list_servers(), ids=lambda each: each.name)
def test_adapters_that_change_the_base_model(server: Server, host: Host, tmp_path: Path) -> None:
    for number, config in enumerate(
        ({"init_lora_weights": "pissa_niter_4"}, {"layer_replication": [[0, 2]]})
    ):
        (finding,) = server.check(read_adapter(tmp_path / str(number), BOTH, **config), host)
        assert finding.effect == "unknown" and next(iter(config)) in finding.reason
    plain = read_adapter(tmp_path / "plain", BOTH, init_lora_weights="gaussian")
    assert server.check(plain, host) == []


def test_lora_of_fused_experts_is_unknown(tmp_path: Path) -> None:
    host = Host.load(write_host(tmp_path / "host", "qwen2_moe"))
    config = LoraConfig(r=2, target_modules=["q_proj"], target_parameters=["experts.down_proj"])
    get_peft_model(TINY["qwen2_moe"]().model, config).save_pretrained(tmp_path / "x")
    adapter = AdapterFolder.read(tmp_path / "x")
    for server in list_servers():
        (finding,) = server.check(adapter, host)
        assert finding.effect == "unknown" and finding.names == ["model.layers.1.mlp.experts"]
