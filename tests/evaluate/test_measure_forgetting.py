"""Sequences of hand-made runs: the matrix, the measures, several systems and seeds."""

from dataclasses import replace
from pathlib import Path

import pytest

import coterie
from coterie.evaluate import measure_forgetting
from coterie.train.run import Run
from tests.evaluate.runs import scored

# The samples that a model has right of four, after each step: a is forgotten, b learned.
FORGETS = [{"a": 4, "b": 1}, {"a": 1, "b": 3}]
REPLAYS = [{"a": 4, "b": 1}, {"a": 3, "b": 3}]
UNTRAINED = {"a": 0, "b": 0}


def sequence(
    folder: Path, counts: list[dict[str, int]], *, seed: int = 0, untrained: bool = True
) -> list[Run]:
    """Two steps, of task a and then b, the second from the first's adapter."""
    runs = []
    for number, count in enumerate(counts):
        recipe = coterie.recipes.shared_lora()
        before = str(runs[-1].folder) if runs else ""
        stage = replace(recipe.stages[0], tasks=("ab"[number],), adapter_from=before)
        recipe = replace(recipe, stages=(stage,))
        place = folder / f"step-{number + 1}"
        runs.append(scored(place, answers(count), seed=seed, recipe=recipe))
        if untrained and not number:
            scored(place, answers(UNTRAINED), seed=seed, recipe=recipe, control="untrained")
    return runs


def answers(count: dict[str, int]) -> dict[str, list[bool]]:
    return {task: [True] * right + [False] * (4 - right) for task, right in count.items()}


def test_the_matrix_and_the_measures(tmp_path: Path) -> None:
    table = measure_forgetting(sequence(tmp_path, FORGETS), resamples=200)
    assert table.split == "test" and table.baseline is None
    (row,) = table.rows
    assert row.system == "shared_lora" and [each.trained for each in row.steps] == [("a",), ("b",)]
    # 4, 1 and 1, 3 right of 4, in percent.
    matrix = [[cell.value for cell in step.tasks.values()] for step in row.steps]
    assert matrix == [[100, 25], [25, 75]]
    # After step 1 a alone is learned; after step 2 (25 + 75) / 2, and a lost 100 - 25.
    assert [step.average and step.average.value for step in row.steps] == [100, 50]
    assert row.steps[0].forgetting is None
    assert row.steps[1].forgetting is not None and row.steps[1].forgetting.value == 75
    means = {name: each.mean.value for name, each in row.measures.items() if each.mean is not None}
    # Learned: (100 + 75) / 2. b had 25 before its step, and 0 without any training.
    assert means == {
        "average": 50, "learned": 87.5, "forgetting": 75, "backward_transfer": -75,
        "forward_transfer": 25,
    }  # fmt: skip
    assert list(row.measures["forgetting"].tasks) == ["a"]
    assert list(row.measures["forward_transfer"].tasks) == ["b"]
    low, high = row.measures["forgetting"].tasks["a"][1:]
    assert -100 <= low < 75 < high <= 100


def test_two_systems_are_paired_on_their_samples(tmp_path: Path) -> None:
    groups = {"replay": tmp_path / "replay", "sequential": tmp_path / "sequential"}
    sequence(groups["replay"], REPLAYS)
    sequence(groups["sequential"], FORGETS)
    by_folder = measure_forgetting([groups["replay"]], baseline=groups["sequential"], resamples=200)
    assert [row.system for row in by_folder.rows] == ["sequential", "replay"]
    base, replay = by_folder.rows
    assert by_folder.baseline == "sequential" and base.measures["average"].difference is None
    # a: 75 against 25, b alike: (50 + 0) / 2; forgetting 25 against 75.
    average, lost = (replay.measures[name].difference for name in ("average", "forgetting"))
    assert average is not None and lost is not None
    assert (average.value, lost.value) == (25, -50)
    named = measure_forgetting(groups, resamples=200)
    assert [row.system for row in named.rows] == ["replay", "sequential"]
    assert named.rows[0].steps == replay.steps


def test_seeds_are_paired_from_step_to_step(tmp_path: Path) -> None:
    # One seed learns all and forgets all, the other neither: forgetting of 100 and of 0.
    counts = ([{"a": 4, "b": 0}, {"a": 0, "b": 0}], [{"a": 0, "b": 0}, {"a": 0, "b": 0}])
    for seed, count in enumerate(counts):
        sequence(tmp_path / f"seed-{seed}", count, seed=seed)
    table = measure_forgetting(tmp_path, resamples=200)
    (row,) = table.rows
    assert row.seeds == (0, 1)
    forgetting = row.measures["forgetting"].mean
    assert forgetting is not None and forgetting.value == 50
    # The seeds' own forgetting varies by all of the scale: two of them say hardly anything.
    assert (forgetting.low, forgetting.high) == (-100, 100)
    assert not any("one seed" in note for note in table.notes)


def test_an_adapter_for_each_task_forgets_nothing(tmp_path: Path) -> None:
    runs = [scored(tmp_path / each, answers({each: 3})) for each in "ab"]
    table = measure_forgetting(runs, resamples=100)
    (row,) = table.rows
    assert [list(step.tasks) for step in row.steps] == [["a"], ["a", "b"]]
    forgetting = row.measures["forgetting"].mean
    assert forgetting is not None and forgetting.value == 0
    assert "forward_transfer" not in row.measures
    assert any("each task keeps its own adapter" in note for note in table.notes)
    assert any("no forward transfer" in note for note in table.notes)


def test_orders_and_steps_that_do_not_fit(tmp_path: Path) -> None:
    runs = sequence(tmp_path / "one", FORGETS)
    with pytest.raises(ValueError, match="give each seed a run for each step, at least two"):
        measure_forgetting(runs[:1])
    other = [scored(tmp_path / each, answers({each: 3})) for each in "ba"]
    with pytest.raises(ValueError, match=r"in another order \(a; b \| b; a\)"):
        measure_forgetting({"one": runs, "other": other})
    with pytest.raises(ValueError, match="resamples=0"):
        measure_forgetting(runs, resamples=0)
