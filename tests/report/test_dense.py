"""The page about runs on pictures: scores, inside, and pictures of their answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.report import report
from coterie.report.image_examples import build_image_examples
from coterie.report.systems import group_systems
from tests.evaluate.dense_runs import TASKS, recipe
from tests.report import dense
from tests.report.test_build import read

MOST_BYTES = 2_000_000


@pytest.fixture
def made(tmp_path: Path) -> dict[str, list[Path]]:
    alone = replace(recipe("dense", experts=False), role="baseline")
    return {
        "squad": [dense.run(tmp_path / "squad")],
        "single": [dense.run(tmp_path / name, (name,), made_by=alone, noise=0.6) for name in TASKS],
    }


def test_several_systems(made: dict[str, list[Path]], tmp_path: Path) -> None:
    page = read(report(made, out=tmp_path / "page.html"))
    # The single-task runs are the baseline, though they were not given first.
    assert "Difference to single" in page.text and "squad beats single" in page.text
    assert "mean iou (classes 3), %" in page.text
    assert "depth, classes, scene" in page.text  # that are the tasks
    assert "Tasks by the experts that they share" in page.text
    assert "Mutual information I(T; E), layer by layer" in page.text
    assert "What the task says about the expert" in page.text
    assert "How often each task chooses each expert" in page.text
    # What is for words only is not asked for.
    assert "--blind" not in page.text and "before training" not in page.text
    # A model for each task has no conflict to measure.
    squad = made["squad"][0]
    assert f"coterie diagnose {squad} --to {squad}/conflict.json" in page.text
    assert page.text.count("No conflict measured") == 1
    assert "No answers" not in page.text and "No expert maps" not in page.text
    assert "No pictures" not in page.text
    # 4 inputs once; 3 tasks of 4 labels, of which one is missing, and 2 systems' answers; 6 maps.
    assert page.tags.count("image") == 4
    assert page.tags.count("img") == 3 * 4 - 1 + 2 * 3 * 4 + 6
    assert page.text.count("no label") == 1


def test_damaged_and_missing_pictures_leave_notes(made: dict[str, list[Path]]) -> None:
    folder = made["squad"][0] / "predictions" / "test" / "examples"
    (folder / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (folder / "1-0-predicted.png").unlink()
    index = json.loads((folder / "examples.json").read_text())
    index[2]["tasks"]["depth"] = ["odd"]
    index[3]["image"] = "../../../../run.json"
    (folder / "examples.json").write_text(json.dumps([7, *index]))
    found = group_systems(made["squad"][0])
    shown = build_image_examples(found, found[0], MOST_BYTES)
    # A picture outside of the folder is not looked for.
    notes = [each.note for each in shown.inputs]
    assert notes == ["cannot be read", "", "", "not kept"]
    (_, labels), (system, depth) = shown.grids["depth"]
    assert system == found[0] and len(labels) == 4
    assert [each.note for each in depth] == ["", "not kept", "not kept", ""]
    assert all(each.uri for each in shown.grids["classes"][1][1])
    (folder / "examples.json").write_text('[{"source"')
    lost = build_image_examples(found, found[0], MOST_BYTES)
    assert lost.grids == {} and "cannot be read" in lost.missing[0].message


def test_as_many_columns_as_fit(made: dict[str, list[Path]]) -> None:
    found = group_systems(made["squad"][0])
    shown = build_image_examples(found, found[0], MOST_BYTES)
    strips = [images for rows in shown.grids.values() for _, images in rows]
    first = len(shown.inputs[0].uri) + sum(len(images[0].uri) for images in strips)
    few = build_image_examples(found, found[0], first)
    assert len(few.inputs) == len(few.sources) == 1
    assert all(len(images) == 1 for rows in few.grids.values() for _, images in rows)
    assert build_image_examples(found, found[0], 10).grids == {}


def test_a_page_about_one_run(made: dict[str, list[Path]], tmp_path: Path) -> None:
    page = read(report(made["single"][0], out=tmp_path))
    assert "No system here has a gate" in page.text
    assert "One task alone has nobody to conflict with" in page.text
