"""Every benchmark runs at its tiny scale, and its file holds what a published number needs."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.command import BENCHMARKS, main, measure
from benchmarks.table import as_table, rendered

FIELDS = {"commit", "dirty", "seed", "hardware", "date", "versions", "malloc", "threads", "scale"}
COTERIE = "coterie"


# The dense one builds a dozen vision models: `make test-slow` has it, and test_dense.py its parts.
SLOW = "dense"


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=pytest.mark.slow if each == SLOW else ()) for each in BENCHMARKS],
)
def test_tiny_run(name: str, tmp_path: Path) -> None:
    measure(BENCHMARKS[name], "tiny", torch.device("cpu"), tmp_path)
    record = json.loads((tmp_path / f"{name}-cpu.json").read_text())
    assert record.keys() >= FIELDS
    assert COTERIE in {row["form"] for row in record["rows"]}
    for row in record["rows"]:
        ratios = [*row["step"].values(), *row["forward"].values()]
        assert ratios
        assert all(0 < each["lower"] <= each["median"] <= each["upper"] for each in ratios)
        assert row["saved_mib"] >= 0
    verdicts = {each["verdict"].split()[0] for each in record["targets"]}
    assert verdicts <= {"met", "missed", "unmeasured"}
    assert COTERIE in as_table(record)
    page = f"<!-- table:{name} -->\nold\n<!-- end -->"
    new = rendered(page, tmp_path)
    assert "old" not in new and "cuda: unmeasured." in new
    assert rendered(new, tmp_path) == new


def test_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["lineal"])
    assert "allowed are linear, ffn, attention, model" in capsys.readouterr().err
