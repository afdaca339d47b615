"""A table of hand-made systems."""

import json
import math
from pathlib import Path

import pytest

import coterie
from coterie.evaluate import compare
from coterie.evaluate.scores import Scores
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
    lines = table.save(tmp_path / "table.csv").read_text().splitlines()
    assert lines[0].startswith("system,a_value,a_low,a_high,b_value") and len(lines) == 3
    assert lines[1].startswith("lora,25.0,")
    frame = table.to_pandas()
    assert list(frame.index) == ["lora", "mixture"] and frame[("a", "value")].tolist() == [25, 75]
    with pytest.raises(ValueError, match=r"table\.txt: a table is written as \.md \(Markdown\)"):
        table.save(tmp_path / "table.txt")
    assert repr(table) == "Table(split='test': lora, mixture on 2 tasks)"
    assert table._repr_markdown_() == table.to_markdown()
    assert "delta_m" not in table.to_markdown()
    with pytest.raises(ValueError, match="is a folder: name a file"):
        table.save(tmp_path)


def test_one_score_has_one_interval(tmp_path: Path) -> None:
    run = scored(tmp_path / "m", {"a": [True, False, False, True, False, True, False]})
    saved = Scores.read(run.folder).tasks["a"]
    cell = compare([run]).rows[0].tasks["a"]
    assert (cell.value, cell.low, cell.high) == (saved.score, saved.low, saved.high)


def test_few_samples_and_unequal_sizes_stand_in_the_summary(tmp_path: Path) -> None:
    lora, mixture = shared(tmp_path), scored(tmp_path / "m", MIXTURE)
    text = (mixture.folder / "scores.json").read_text()
    (mixture.folder / "scores.json").write_text(
        text.replace('"trainable_parameters": 1000', '"trainable_parameters": 31000')
    )
    table = compare([mixture, lora], baseline=lora.folder, resamples=50)
    # Means over a and b of (75 - 25) / 25 = 200 % and 0 %.
    assert table.summary.startswith("rode against shared_lora: delta_m +100.0 [")
    assert (
        "Not of equal size: rode trains 31 K parameters and shared_lora 1 K, rode 31 times as many "
        "as shared_lora. Fewer than 30 samples: a has 4, b has 4;" in table.summary
    )
    assert table.to_markdown().startswith(table.summary)


def test_samples_that_all_agree_have_no_certain_difference(tmp_path: Path) -> None:
    # 0 of 6 against 6 of 6: delta_m is -100 %, and six samples do not show it exactly.
    none = scored(tmp_path / "none", {"a": [False] * 6})
    alls = scored(tmp_path / "all", {"a": [True] * 6}, recipe=coterie.recipes.shared_lora())
    row = compare([none, alls], baseline=alls.folder).rows[1]
    assert row.delta_m is not None and row.delta_m.value == -100
    # z^2 / (6 + z^2) = 39.0 %, of which the baseline's part is as large.
    assert row.difference["a"].high == pytest.approx(-61, abs=1)
    assert row.delta_m.low < -100 < -61 < row.delta_m.high + 1


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
