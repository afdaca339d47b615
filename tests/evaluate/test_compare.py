"""A table of hand-made systems."""

import json
import math
from pathlib import Path

import pytest

import coterie
from coterie.evaluate import compare
from coterie.train.run import Run
from tests.evaluate.runs import scored

SHARED = {"a": [True, False, False, False], "b": [True, True, False, False]}
MIXTURE = {"a": [True, True, True, False], "b": [True, True, False, False]}


def shared(folder: Path) -> Run:
    return scored(folder / "shared", SHARED, recipe=coterie.recipes.shared_lora())


def singles(folder: Path) -> list[Run]:
    recipe = coterie.recipes.single_task()
    right = {"a": [True, True, False, False], "b": [True, True, True, True]}
    return [scored(folder / name, {name: right[name]}, recipe=recipe) for name in "ab"]


def test_scores_delta_m_and_who_is_better(tmp_path: Path) -> None:
    runs = [shared(tmp_path), *(scored(tmp_path / f"m{s}", MIXTURE, seed=s) for s in (0, 1))]
    table = compare(runs, baseline=singles(tmp_path), resamples=300)
    assert [row.system for row in table.rows] == ["single_task", "shared_lora", "rode"]
    alone, lora, rode = table.rows
    assert [cell.value for cell in rode.tasks.values()] == [75, 50]
    assert rode.seeds == (0, 1) and table.baseline == "single_task"
    # Single-task models have 50 and 100. The LoRA: (25-50)/50 = -50 %, (50-100)/100 = -50 %.
    # The mixture: +50 % and -50 %.
    assert alone.delta_m is not None and lora.delta_m is not None and rode.delta_m is not None
    assert (alone.delta_m.value, lora.delta_m.value, rode.delta_m.value) == (0, -50, 0)
    assert rode.difference["a"].value == 25 and lora.difference["b"].value == -50
    # The mixture has right what the LoRA has, and two more of a's four: not so only in draws
    # without these two, (1/2) ** 4 of them. Widened for so few samples, they fall below 0.
    assert table.better["a"]["rode"]["shared_lora"] == pytest.approx(1 - 1 / 16, abs=0.03)
    assert table.better["a"]["shared_lora"]["rode"] == pytest.approx(1 / 16, abs=0.03)
    assert table.better["b"]["rode"]["shared_lora"] == 0.5
    assert alone.cost["trainable_parameters"] == 2000  # two runs of 1000
    assert rode.cost["trainable_parameters"] == 1000 and rode.cost["generate_samples_per_s"] == 2


def test_it_is_the_same_again_and_can_be_saved(tmp_path: Path) -> None:
    runs = {"lora": [shared(tmp_path)], "mixture": [scored(tmp_path / "m", MIXTURE)]}
    table, again = (compare(runs, resamples=100) for _ in range(2))
    assert table.dump() == again.dump() and table.baseline is None
    assert json.loads(table.save(tmp_path / "table.json").read_text())["split"] == "test"
    assert table.save(tmp_path / "table.md").read_text() == table.to_markdown()
    assert "delta_m" not in table.to_markdown()
    with pytest.raises(ValueError, match="is a folder: name a file"):
        table.save(tmp_path)


def test_a_baseline_among_the_runs_stands_once_and_first(tmp_path: Path) -> None:
    lora, mixture = shared(tmp_path), scored(tmp_path / "m", MIXTURE)
    table = compare([mixture, lora], baseline=lora.folder, resamples=10)
    assert [row.system for row in table.rows] == ["shared_lora", "rode"]


def test_a_baseline_of_zero_is_left_out_and_told(tmp_path: Path) -> None:
    none = {"a": [False] * 4, "b": SHARED["b"]}
    zero = scored(tmp_path / "zero", none, recipe=coterie.recipes.shared_lora())
    table = compare([scored(tmp_path / "m", MIXTURE)], baseline=zero, resamples=50)
    assert table.rows[1].delta_m is not None and table.rows[1].delta_m.value == 0  # of b alone
    notes = " ".join(table.notes)
    assert "delta_m leaves out a: the baseline's score is 0" in notes
    # No right answer among the 4 that are drawn: (1/2) ** 4 = 6 % of the draws.
    assert "of the draws the baseline scores 0 on a task" in notes
    both = {"a": [False] * 4, "b": [False] * 4}
    nothing = scored(tmp_path / "n", both, recipe=coterie.recipes.shared_lora())
    table = compare([scored(tmp_path / "m2", MIXTURE)], baseline=nothing, resamples=5)
    assert table.rows[1].delta_m is not None and math.isnan(table.rows[1].delta_m.value)
    assert "undefined" in table.to_markdown()


def test_controls_have_rows_of_their_own(tmp_path: Path) -> None:
    run = scored(tmp_path / "m", MIXTURE)
    for control in ("blind", "untrained"):
        scored(tmp_path / "m", SHARED, control=control)
    table = compare([run], resamples=10)
    assert [row.system for row in table.rows] == ["rode", "untrained", "rode, blind"]
    assert [row.system for row in compare([run], controls=False, resamples=10).rows] == ["rode"]


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="compare was given no runs"):
        compare([])
    lora = shared(tmp_path)
    with pytest.raises(ValueError, match="resamples=0: give at least 1"):
        compare([lora], resamples=0)
    with pytest.raises(ValueError, match="baseline has no runs"):
        compare([lora], baseline=[])
    with pytest.raises(ValueError, match="'shared_lora' was scored on b and 'rode' was not"):
        compare([lora, scored(tmp_path / "m", {"a": MIXTURE["a"]})])
    (lora.folder / "scores.json").unlink()
    with pytest.raises(ValueError, match=r"scores\.json is not there: run `coterie evaluate"):
        compare([lora])
