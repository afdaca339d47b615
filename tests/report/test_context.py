"""A table of systems of which some cannot be compared."""

import json
import math
from pathlib import Path

import coterie
from coterie.evaluate import compare
from coterie.report.context import compare_available
from coterie.report.systems import group_systems
from tests.evaluate.runs import scored

RIGHT = {"a": [True, False, False, False], "b": [True, True, False, False]}


def test_systems_that_fit_have_the_table_of_compare(tmp_path: Path) -> None:
    groups = {
        "lora": [scored(tmp_path / "lora", RIGHT, recipe=coterie.recipes.shared_lora()).folder],
        "rode": [scored(tmp_path / "rode", RIGHT).folder],
    }
    systems = group_systems(groups)
    table = compare_available(systems, systems[0], resamples=50)
    assert table == compare(groups, baseline=groups["lora"], resamples=50)
    assert table.not_compared == {}


def test_a_system_of_other_samples_has_its_scores_and_the_reason(tmp_path: Path) -> None:
    # 3 of 5 are right: 60 %; the other task is the same as in the baseline.
    other = {"a": [True, True, True, False, False], "b": RIGHT["b"]}
    groups = {
        "lora": [scored(tmp_path / "lora", RIGHT, recipe=coterie.recipes.shared_lora()).folder],
        "rode": [scored(tmp_path / "rode", RIGHT).folder],
        "odd": [scored(tmp_path / "odd", other, recipe=coterie.recipes.soft_lora()).folder],
    }
    systems = group_systems(groups)
    table = compare_available(systems, systems[0], resamples=50)
    assert [row.system for row in table.rows] == ["lora", "rode", "odd"]
    _, rode, odd = table.rows
    assert rode.difference and rode.delta_m is not None
    assert odd.tasks["a"].value == 60 and odd.tasks["a"].low < 60 < odd.tasks["a"].high
    assert odd.difference == {} and odd.delta_m is None
    assert "different samples of 'a'" in table.not_compared["odd"]
    assert list(table.not_compared) == ["odd"]
    assert "| odd " in table.to_markdown()


def test_a_system_without_predictions_has_the_scores_that_were_saved(tmp_path: Path) -> None:
    runs = [scored(tmp_path / f"rode{seed}", RIGHT, seed=seed) for seed in (0, 1)]
    lora = scored(tmp_path / "lora", RIGHT, recipe=coterie.recipes.shared_lora())
    for run in runs:
        run.directory.predictions_file("test", "a").unlink()
    groups = {"lora": [lora.folder], "rode": [run.folder for run in runs]}
    systems = group_systems(groups)
    table = compare_available(systems, systems[0], resamples=50)
    (_, rode) = table.rows
    # Saved scores of two runs have a mean, 25 %, and no interval.
    assert rode.tasks["a"].value == 25 and math.isnan(rode.tasks["a"].low)
    assert "is not there" in table.not_compared["rode"]
    # One run has the interval that was saved with its score.
    systems = group_systems({"lora": [lora.folder], "rode": [runs[0].folder]})
    (_, one) = compare_available(systems, systems[0], resamples=50).rows
    saved = json.loads(runs[0].directory.scores_file().read_text())["tasks"]["a"]
    assert one.tasks["a"] == (25, saved["low"], saved["high"])


def test_a_damaged_control_costs_no_other_number(tmp_path: Path) -> None:
    run = scored(tmp_path / "rode", RIGHT)
    for control in ("blind", "untrained"):
        scored(tmp_path / "rode", RIGHT, control=control)
    run.directory.scores_file("blind").write_text("{")
    table = compare_available(group_systems({"rode": [run.folder]}), resamples=50)
    assert [(row.system, row.control, row.control_of) for row in table.rows] == [
        ("rode", "", ""),
        ("untrained", "untrained", "rode"),
    ]
    assert table.not_compared == {}


def test_nothing_can_be_read(tmp_path: Path) -> None:
    run = scored(tmp_path / "begun", RIGHT)
    run.directory.scores_file().unlink()
    table = compare_available(group_systems({"begun": [run.folder]}), resamples=50)
    assert (table.rows, table.columns, list(table.not_compared)) == ((), (), ["begun"])
