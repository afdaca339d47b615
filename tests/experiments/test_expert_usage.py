"""What gates chose, of a small file."""

import json
import math
from pathlib import Path

import pytest

from experiments.expert_usage import read_information, read_largest_share


@pytest.fixture
def run(tmp_path: Path) -> Path:
    apart = {"a": [1.0, 0.0], "b": [0.0, 1.0]}
    alike = {"a": [0.75, 0.25], "b": [0.75, 0.25]}
    layers = {
        name: {"experts": ["1", "2"], "chosen": chosen}
        for name, chosen in {"apart": apart, "alike": alike}.items()
    }
    layers["plain"] = {"experts": ["1"], "chosen": {"a": [1.0], "b": [1.0]}}
    (tmp_path / "routing.json").write_text(json.dumps({"layers": layers}))
    return tmp_path


def test_information(run: Path) -> None:
    found = read_information(run, "chosen")
    # Two tasks that never share an expert: one bit.
    assert found["apart"] == pytest.approx(math.log(2))
    assert found["alike"] == pytest.approx(0.0, abs=1e-7)


def test_largest_share(run: Path) -> None:
    # Half of all choices in one layer, three quarters in the other.
    assert read_largest_share(run) == 0.625
