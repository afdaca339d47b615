"""Which runs are the steps of a sequence, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

import coterie
from coterie.evaluate.sequence import group_sequences, list_trained_tasks, load_sequence, open_steps
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.train.growth import grow_recipe
from tests.evaluate.runs import scored
from tests.evaluate.test_measure_forgetting import FORGETS, answers, sequence


def test_a_folder_has_its_runs_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        scored(tmp_path / "many" / f"step-{number}", answers({"a": 1}))
    assert [run.folder.name for run in open_steps(tmp_path / "many")] == [
        "step-1", "step-9", "step-10"
    ]  # fmt: skip
    scored(tmp_path / "seeds" / "s0" / "step-1", answers({"a": 1}))
    found = group_sequences([tmp_path / "many", tmp_path / "seeds"])
    assert {name: len(runs) for name, runs in found.items()} == {"many": 3, "seeds": 1}
    run = tmp_path / "many" / "step-1"
    with pytest.raises(ValueError, match="is no run, and 1 others are: give the runs of one"):
        group_sequences([run, tmp_path / "seeds"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: there is no run in this folder"):
        group_sequences(tmp_path / "empty")
    with pytest.raises(ValueError, match="none is neither a run nor a folder of runs"):
        group_sequences(tmp_path / "none")
    for none in ([], {}, {"x": []}):
        with pytest.raises(ValueError, match="a sequence without runs"):
            group_sequences(none)


def test_a_step_trains_the_tasks_of_its_stages(tmp_path: Path) -> None:
    first, second = sequence(tmp_path, FORGETS)
    assert (list_trained_tasks(first), list_trained_tasks(second)) == (("a",), ("b",))
    assert list_trained_tasks(scored(tmp_path / "all", answers({"a": 1, "b": 1}))) == ("a", "b")
    loaded = load_sequence("x", [first, second])
    assert loaded.first_step == {"a": 0, "b": 1} and list(loaded.untrained) == ["a", "b"]


def test_a_step_that_continues_another_has_its_tasks(tmp_path: Path) -> None:
    first = scored(tmp_path / "1", answers({"a": 4}))
    recipe = coterie.recipes.shared_lora()
    stage = replace(recipe.stages[0], adapter_from=str(first.folder))
    recipe = replace(recipe, stages=(stage,))
    second = scored(tmp_path / "2", answers({"b": 4}), recipe=recipe)
    with pytest.raises(ValueError, match="continues another run and was not evaluated on a"):
        load_sequence("x", [first, second])


def test_steps_are_in_their_order_and_once(tmp_path: Path) -> None:
    first = scored(tmp_path / "1", answers({"a": 4, "b": 4}))
    recipe = coterie.recipes.shared_lora()
    stage = replace(recipe.stages[0], adapter_from=str(first.folder), tasks=("b",))
    second = scored(
        tmp_path / "2", answers({"a": 4, "b": 4}), recipe=replace(recipe, stages=(stage,))
    )
    with pytest.raises(ValueError, match=r"2 continues .*1, and is before it in sequence 'x'"):
        load_sequence("x", [second, first])
    with pytest.raises(ValueError, match=r"sequence 'x' has .*1 twice: give each step once"):
        load_sequence("x", [first, first])


def test_seeds_have_the_same_steps(tmp_path: Path) -> None:
    runs = [*sequence(tmp_path / "0", FORGETS), *sequence(tmp_path / "1", FORGETS, seed=1)]
    with pytest.raises(ValueError, match="the runs 2 of seed 0, 1 of seed 1"):
        load_sequence("x", runs[:3])
    with pytest.raises(ValueError, match=r"2 continues .*1, and is before it in sequence 'x'"):
        load_sequence("x", [*runs[:2], runs[3], runs[2]])
    apart = [
        scored(tmp_path / f"{task}{seed}", answers({task: 1}), seed=seed)
        for seed, tasks in enumerate(("ab", "ba"))
        for task in tasks
    ]
    with pytest.raises(ValueError, match="are the same step of sequence 'x' and trained other"):
        load_sequence("x", apart)


def test_a_chain_of_growth_is_a_sequence(tmp_path: Path) -> None:
    """Runs as `coterie.add_tasks` makes them: a, grown by b, and that by c."""
    right = {"a": 4, "b": 3, "c": 2}
    runs = [scored(tmp_path / "1", answers({"a": 4}), recipe=coterie.recipes.shared_lora())]
    for number, name in ((2, "b"), (3, "c")):
        old = runs[-1]
        grown = grow_recipe(old.config.recipe, None, old_tasks=old.task_names, new_tasks=(name,))
        frozen = FrozenTasks(run=str(old.folder), names=old.task_names)
        counts = {task: right[task] for task in (*old.task_names, name)}
        runs.append(scored(tmp_path / str(number), answers(counts), recipe=grown, frozen=frozen))
    loaded = load_sequence("grown", runs)
    assert loaded.trained == (("a",), ("b",), ("c",)) and not loaded.notes
    assert [list(each) for each in loaded.tasks] == [["a"], ["a", "b"], ["a", "b", "c"]]
    (row,) = coterie.measure_forgetting(runs, resamples=50).rows
    means = {name: each.mean.value for name, each in row.measures.items() if each.mean is not None}
    # 4, 3 and 2 right of 4, each from its own step to the last: 75 % in the mean.
    assert means == {"average": 75, "learned": 75, "forgetting": 0, "backward_transfer": 0}
