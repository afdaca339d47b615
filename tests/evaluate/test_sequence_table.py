"""A table of sequences as text and in files."""

import json
from pathlib import Path

import pytest

from coterie.evaluate import measure_forgetting
from tests.evaluate.test_measure_forgetting import FORGETS, REPLAYS, sequence


def test_it_can_be_read_and_saved(tmp_path: Path) -> None:
    groups = {"replay": sequence(tmp_path / "r", REPLAYS)}
    baseline = sequence(tmp_path / "s", FORGETS)
    table = measure_forgetting(groups, baseline=baseline, resamples=50)
    text = table.to_markdown()
    assert text.startswith("shared_lora: average 50.0 [") and "forgetting +75.0 [" in text
    for line in (
        "| shared_lora: after",
        "| step-2 (b) ",
        "| after the last step",
        "| minus shared",
    ):
        assert line in text
    assert "| replay " in text.partition("minus shared")[2]
    assert repr(table) == "SequenceTable(split='test': shared_lora, replay on 2 tasks)"
    assert table._repr_markdown_() == text
    data = json.loads(table.save(tmp_path / "table.json").read_text())
    step = data["rows"][0]["steps"][1]
    assert step["tasks"]["a"]["value"] == 25 and step["trained"] == ["b"]
    assert data["columns"][0]["name"] == "a"
    assert data["rows"][1]["measures"]["forgetting"]["difference"]["value"] == -50
    lines = table.save(tmp_path / "table.csv").read_text().splitlines()
    assert lines[0].startswith("system,step-1_a_value,step-1_a_low") and len(lines) == 3
    assert table.save(tmp_path / "table.md").read_text() == text
    with pytest.raises(ValueError, match=r"a table is written as \.md"):
        table.save(tmp_path / "table.txt")
