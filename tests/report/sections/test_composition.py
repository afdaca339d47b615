"""The section on composed runs: their table, their curve, and a file that is damaged."""

import json
from pathlib import Path
from typing import Any

from coterie.report import report
from coterie.report.sections.composition import make_curves
from tests.report import synthetic

POINTS = [
    {"weights": [0.0, 1.0], "losses": {"a": 2.0, "b": 1.0}, "mean_loss": 1.5},
    {"weights": [1.0, 0.0], "losses": {"a": 1.0, "b": 3.0}, "mean_loss": 2.0},
]
RUNS = [
    {"folder": f"runs/{name}", "recipe": "damc", "modalities": ["text", kind], "weight": weight}
    for name, kind, weight in (("<b>one", "image", 0.0), ("two", "audio", 1.0))
]


def write_page(tmp_path: Path, record: Any) -> str:
    runs = synthetic.study(tmp_path, synthetic.TASKS[:2], samples=4, layers=2)
    folder = runs["soft_lora"][0]
    (folder / "composition.json").write_text(json.dumps(record))
    return report(runs, out=tmp_path / "page.html").read_text("utf-8")


def test_a_curve_for_each_task_and_the_mean() -> None:
    curves = make_curves(POINTS)
    assert [(each.name, each.points) for each in curves] == [
        ("mean over tasks", [(0, 1.5), (1, 2)]), ("a", [(0, 2), (1, 1)]), ("b", [(0, 1), (1, 3)])
    ]  # fmt: skip
    assert make_curves(POINTS[:1]) == [] == make_curves([{"weights": "x"}, *POINTS[:1]])
    damaged = {**POINTS[1], "losses": {"a": None}}
    assert [each.name for each in make_curves([POINTS[0], damaged])] == [
        "mean over tasks"
    ]  # fmt: skip


def test_a_composed_system_has_a_section(tmp_path: Path) -> None:
    tensors = {"q_proj": {"how": "joined", "runs": ["runs/one", "runs/two"], "dropped": []}}
    record = {"runs": RUNS, "text": "sum", "media": "own", "search": POINTS, "tensors": tensors}
    page = write_page(tmp_path, record)
    section = page.partition('<section id="composition">')[2].partition("</section>")[0]
    assert "runs/&lt;b&gt;one" in section and "joined runs/one and runs/two: 1" in section
    assert section.count("<polyline") == 3 and "was composed of 2 runs" in page


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    page = write_page(tmp_path / "a", {"runs": [1]})
    assert "What soft_lora was composed of is unknown: composition.json of" in page
    damaged = [{"modalities": 3, "weight": "x"}, *RUNS]
    record = {"runs": damaged, "tensors": {"q": 1}, "search": [{"losses": None}]}
    assert '<section id="composition">' in write_page(tmp_path / "b", record)
