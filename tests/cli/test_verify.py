"""`coterie verify`: its exit code, and one line for what is wrong."""

import json
from pathlib import Path

import pytest

from tests.cli.calls import Calls
from tests.compatibility.adapters import BOTH, lora, write_adapter, write_host


@pytest.fixture
def base(tmp_path: Path) -> str:
    return str(write_host(tmp_path / "base"))


def test_exit_codes(base: str, tmp_path: Path, coterie: Calls) -> None:
    good = str(write_adapter(tmp_path / "good", BOTH))
    called = coterie("verify", good, "--base", base)
    assert called.code == 0 and "vLLM: uses all\n  vllm serve" in called.out and not called.err
    bad = str(write_adapter(tmp_path / "bad", BOTH, use_rslora=True))
    called = coterie("verify", bad, "--base", base)
    assert called.code == 1 and "wrong scale (2)" in called.out
    assert called.err == "not all of it is used as it was trained\n"
    assert coterie("verify", bad, "--base", base, "--for", "peft", "--for", "vllm").code == 0
    assert coterie("verify", base, "--base", base, "--for", "peft").code == 0


def test_json(base: str, tmp_path: Path, coterie: Calls) -> None:
    folder = write_adapter(tmp_path / "x", BOTH | lora("model.layers.9.mlp.up_proj"))
    called = coterie("verify", str(folder), "--base", base, "--json")
    found = json.loads(called.out)["programs"]["PEFT"]["findings"]
    assert called.code == 1 and len(found[0]["names"]) == 2


def test_mistakes_are_one_line(base: str, tmp_path: Path, coterie: Calls) -> None:
    folder = write_adapter(tmp_path / "x", BOTH)
    (folder / "adapter_model.safetensors").write_bytes(b"none")
    for arguments, said in (
        ((str(tmp_path / "none"), "--base", base), "is no folder"),
        ((str(folder), "--base", base), "is damaged"),
        ((str(folder), "--base", str(tmp_path / "no")), "damaged"),
    ):
        called = coterie("verify", *arguments)
        assert called.code == 2 and said in called.err and called.err.count("\n") == 1
