"""Details of metrics are on the page, a column for each system."""

import json
from pathlib import Path

from coterie.report import report
from coterie.report.score_details import list_score_details
from coterie.report.systems import group_systems
from tests.report.test_rank_usage import rode


def test_details_and_ranks_are_on_the_page(tmp_path: Path) -> None:
    for name, fat in (("a", 2.0), ("b", 4.0), ("c", 5.0)):
        file = rode(tmp_path / name) / "scores.json"
        scores = json.loads(file.read_text())
        scores["tasks"]["ocr"]["details"] = {"fat": fat, "missing <fat>": None}
        file.write_text(json.dumps(scores))
    runs = {"one": [tmp_path / "a", tmp_path / "b"], "two": tmp_path / "c"}
    (fat, missing) = list_score_details(group_systems(runs))
    # The mean of two seeds is 3.
    assert (fat.task, fat.name, fat.values) == ("ocr", "fat", {"one": 3.0, "two": 5.0})
    assert missing.values == {}
    text = report(runs, out=tmp_path / "page.html").read_text("utf-8")
    assert "<small><bdi>fat</bdi></small></th><td>3</td><td>5</td>" in text
    assert '<small><bdi>missing &lt;fat&gt;</bdi></small></th><td class="none">n/a</td>' in text
    assert text.count('<figure class="ranks">') == 2
    assert "<bdi>ocr</bdi> 10 at 0.8, <bdi>naming</bdi> 4 at 0.1" in text
    assert "Spearman correlation 1.00; 3 tasks are too few" in text
