"""The command: a row for each form."""

import json
from pathlib import Path

import pytest

from benchmarks import operators
from benchmarks.recipes import CASES


def test_command_writes_a_row_for_each_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(operators, "cases", lambda *_, **__: CASES["tiny"][2:])
    operators.main(["--out", str(tmp_path)])
    record = json.loads((tmp_path / "operators-cpu.json").read_text())
    count = {row["form"]: row["operators"] for row in record["rows"]}
    assert count["frozen model"] < count["PEFT LoRA"] < count["coterie"]
    # All experts in one product: less than gathering each sample's.
    assert count["coterie, all experts"] < count["coterie, chosen experts"]
    assert "| coterie, all experts |" in capsys.readouterr().out
