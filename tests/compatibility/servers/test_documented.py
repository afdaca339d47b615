"""The table of docs/guides/verify.md says what the rules say."""

from pathlib import Path
from typing import Any

import pytest
import torch

from coterie.compatibility.adapter_folder import AdapterFolder
from coterie.compatibility.servers.base import list_servers
from coterie.models.host import Host
from tests.compatibility.adapters import BOTH, UP, Q, lora, read_adapter, write_host

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "verify.md"
TOWER = "model.vision_tower.encoder.layers.0.self_attn.q_proj"
HEAD = {"base_model.model.lm_head.weight": torch.ones(2)}
BIAS = {f"base_model.model.{Q}.bias": torch.ones(2)}
MAGNITUDE = {f"base_model.model.{Q}.lora_magnitude_vector": torch.ones(2)}
ADAPTERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a method other than LORA": (BOTH, {"peft_type": "LOHA"}),
    "`modules_to_save`": (BOTH | HEAD, {"modules_to_save": ["lm_head"]}),
    "`use_dora`": (BOTH | MAGNITUDE, {"use_dora": True}),
    '`bias` other than "none"': (BOTH | BIAS, {"bias": "all"}),
    "`use_rslora`": (BOTH, {"use_rslora": True}),
    "`rank_pattern`": (lora(Q) | lora(UP, 8), {"rank_pattern": {"up_proj": 8}}),
    "`alpha_pattern`": (BOTH, {"alpha_pattern": {"up_proj": 1}}),
    "`target_modules` as a regular expression": (BOTH, {"target_modules": ".*proj"}),
    "rank above 512": (lora(Q, 513), {"r": 513, "lora_alpha": 513}),
    "a tower or connector": (lora(TOWER), {}),
    "`init_lora_weights` of PiSSA, OLoRA, CorDA or LoftQ, not converted": (
        BOTH,
        {"init_lora_weights": "pissa"},
    ),
    "a full name that the model does not have": (lora("layers.0.mlp.up_proj"), {}),
}
ELSEWHERE = "LoRA of experts in one tensor"
"""In test_base.py."""


def read_table() -> dict[str, dict[str, str]]:
    """What is in an adapter -> server -> cell."""
    rows = [
        line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if " | " in line
    ]
    head, body = rows[0], rows[1:]
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in body}


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host.load(write_host(tmp_path_factory.mktemp("gemma"), "gemma3"))


def test_every_row_is_checked() -> None:
    assert read_table().keys() == {*ADAPTERS, ELSEWHERE}


@pytest.mark.parametrize("row", ADAPTERS)
def test_row(row: str, host: Host, gemma: Host, tmp_path: Path) -> None:
    weights, config = ADAPTERS[row]
    adapter: AdapterFolder = read_adapter(tmp_path / "x", weights, **config)
    for server in list_servers():
        cell = read_table()[row][server.name]
        found = server.check(adapter, gemma if row == "a tower or connector" else host)
        effects = [each.effect for each in found]
        # vLLM uses towers, with its flag.
        expected = [] if cell.startswith(("used", "with")) else [cell]
        assert expected == effects[:1], (server.name, found)
