"""ChartQA's files; its metric has a test of its own."""

import json
from pathlib import Path

import pytest

from coterie.datasets.questions.chartqa import ChartQa


def make(folder: Path, **item: object) -> ChartQa:
    (folder / "test").mkdir()
    given = {"imgname": "a.png", "query": "How many?", "label": "14"} | item
    for kind, items in [("human", [given]), ("augmented", [given | {"label": "red"}])]:
        (folder / "test" / f"test_{kind}.json").write_text(json.dumps(items))
    return ChartQa(folder=str(folder))


def test_rows_and_scores(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    rows, bad = dataset.read()
    assert bad == () and [row["answer"] for _, row in rows] == ["14", "red"]
    assert rows[0][1]["image"] == str(tmp_path / "test/png/a.png")
    answered = [row | {"prediction": "14.5"} for _, row in rows]
    # 14.5 is within 5 percent of 14, and not red.
    assert dataset.compute_scores("chartqa", answered) == {
        "relaxed_accuracy": 50, "kind human: relaxed_accuracy": 100,
        "kind augmented: relaxed_accuracy": 0, "rows": 2,
    }  # fmt: skip


def test_bad_records(tmp_path: Path) -> None:
    _, bad = make(tmp_path, query="").read()
    assert str(bad[0]) == "test_human.json[0]: query: is '': give text that is not empty"
    with pytest.raises(ValueError, match=r"val_human\.json cannot be read"):
        ChartQa(folder=str(tmp_path), split="val").read()
