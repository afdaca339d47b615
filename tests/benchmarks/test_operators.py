"""The count of operators, of a function worked by hand."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import operators
from benchmarks.recipes import CASES
from benchmarks.timing import Candidate


def test_operators_of_forward_and_backward_are_counted_without_views() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    candidate = Candidate(forward=lambda: (x.t() * 2).sum(), wanted=(x,))
    found = operators.profile_step("case", "form", candidate, torch.device("cpu"))
    # mul and sum; ones for the loss's gradient and mul. t and expand are views.
    assert found.operators == 4
    assert (found.launches, found.kernel_ms, found.largest) == (0, 0, [])
    assert found.step_ms > 0


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
