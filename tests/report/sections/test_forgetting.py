"""The section reads what `coterie compare --sequence --to` writes, also a damaged file."""

from pathlib import Path

import pytest
import torch

from coterie.evaluate import measure_forgetting
from coterie.report import report
from coterie.report.context import ReportContext
from coterie.report.sections.forgetting import Forgetting, compute_changes, parse_sequences
from tests.evaluate.test_measure_forgetting import FORGETS, REPLAYS, sequence


def test_changes_are_since_the_task_s_own_step() -> None:
    scores = torch.tensor([[90.0, 20], [70, 80]]).double()
    changes = compute_changes(scores, ["a", "b"], [["a"], ["b"]])
    wanted = torch.tensor([[0.0, torch.nan], [-20, 0]]).double()
    assert torch.equal(changes.nan_to_num(1), wanted.nan_to_num(1))


def test_the_page_shows_the_file(tmp_path: Path) -> None:
    groups = {
        "replay": sequence(tmp_path / "r", REPLAYS),
        "plain": sequence(tmp_path / "p", FORGETS),
    }
    table = measure_forgetting(groups, resamples=50)
    file = table.save(tmp_path / "forgetting.json")
    last = groups["replay"][-1]
    page = report(last, out=tmp_path / "page.html", forgetting=file).read_text("utf-8")
    assert '<a href="#forgetting">' in page and "plain: change since the task" in page
    assert "plain: average 50.0" in page  # in the summary
    assert "#forgetting" not in report(last, out=tmp_path / "page.html").read_text("utf-8")
    with pytest.raises(ValueError, match=r"forgetting='no\.json' holds no measurement: give the"):
        report(last, out=tmp_path / "page.html", forgetting="no.json")
    with pytest.raises(ValueError, match=r"scores\.json' holds no measurement: give the"):
        report(last, out=tmp_path / "page.html", forgetting=last.folder / "scores.json")


def test_a_damaged_file_shows_nothing() -> None:
    context = ReportContext(systems=(), conflict_before=None, command=None, forgetting={"rows": []})
    section = Forgetting()
    assert section.build(context)["sequences"] == []
    assert list(section.summarize(context, section.build(context))) == []
    assert list(parse_sequences({"rows": [{"steps": [{"tasks": 3}]}, 7]})) == []
