"""Gates at the start of training and at its end."""

import json
import math
from pathlib import Path

import pytest

from coterie.report.sections.experts import Start, compute_shared, read_start
from coterie.report.systems import group_systems


def test_what_the_log_says_of_the_start(tmp_path: Path) -> None:
    use = {"l": {"mean_weight": {"a": [0.5, 0.5], "b": [0.8, 0.2]}}}
    rows = [
        {"step": 1, "information": {"l": 0.2, "m": 0.4}, "use": use},
        {"step": 9, "loss": 1.0},
        {"step": 60, "information": {"l": 0.31, "m": 0.31}},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    [system] = group_systems(tmp_path)
    start = read_start(system)
    # Means over layers of .3 and .31; of .5 .5 and .8 .2, the smaller add to .7.
    assert start == pytest.approx(Start(0.3, 0.31, 0.7))
    assert start is not None and start.has_hardly_moved
    assert not Start(0.3, 0.34, 0.7).has_hardly_moved
    assert Start(0.001, 0.009, 0.7).has_hardly_moved  # less than a hundredth of a nat


def test_logs_without_it(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1, "information": {}}\n{"step": 2}\n')
    [system] = group_systems(tmp_path)
    assert read_start(system) is None
    assert math.isnan(compute_shared({})) and math.isnan(compute_shared({"use": {"l": {}}}))
