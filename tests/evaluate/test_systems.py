"""Which runs make a system, and paired draws: the same samples for all systems."""

from pathlib import Path

import numpy as np
import pytest

import coterie
from coterie.evaluate.systems import (
    System,
    TaskStatistics,
    bootstrap_systems,
    check_same_samples,
    get_common_split,
    group_runs,
    load_system,
)
from coterie.metrics.text.exact_match import ExactMatch
from tests.evaluate.runs import scored

RIGHT = {"a": [True, False], "b": [True, True]}


def test_seeds_of_one_plan_are_one_system_called_by_its_recipe(tmp_path: Path) -> None:
    runs = [scored(tmp_path / f"s{seed}", RIGHT, seed=seed) for seed in (0, 1)]
    other = scored(tmp_path / "lora", RIGHT, recipe=coterie.recipes.shared_lora())
    groups = group_runs([*runs, str(other.folder)])
    assert {name: len(group) for name, group in groups.items()} == {"rode": 2, "shared_lora": 1}


def test_two_settings_of_one_recipe_are_called_by_their_folders(tmp_path: Path) -> None:
    small = coterie.recipes.rode(ranks=(1, 2))
    runs = [scored(tmp_path / "large", RIGHT), scored(tmp_path / "small", RIGHT, recipe=small)]
    assert list(group_runs(runs)) == ["large", "small"]
    (tmp_path / "x").mkdir()
    runs[1] = scored(tmp_path / "x" / "large", RIGHT, recipe=small)
    assert list(group_runs(runs)) == [f"{tmp_path.name}/large", "x/large"]
    (tmp_path / "y" / "x").mkdir(parents=True)
    runs[0] = scored(tmp_path / "y" / "x" / "large", RIGHT)
    with pytest.raises(ValueError, match="two systems would have one name"):
        group_runs(runs)


def test_single_task_runs_are_joined_by_their_seed(tmp_path: Path) -> None:
    runs = [
        scored(tmp_path / f"{task}{seed}", {task: RIGHT[task]}, seed=seed)
        for task in "ab"
        for seed in (3, 4)
    ]
    system = load_system("alone", runs)
    assert system.seeds == (3, 4) and list(system.tasks) == ["a", "b"]
    assert len(system.tasks["a"].statistics) == 2 and len(system.costs) == 4


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    one = scored(tmp_path / "one", RIGHT)
    with pytest.raises(ValueError, match="system 'x' has no runs"):
        load_system("x", [])
    with pytest.raises(ValueError, match="system 'x' has two runs of seed 0 with task 'a'"):
        load_system("x", [one, scored(tmp_path / "two", RIGHT)])
    with pytest.raises(ValueError, match="system 'x' has no run of seed 1 with b"):
        load_system("x", [one, scored(tmp_path / "three", {"a": [True, True]}, seed=1)])
    other = scored(tmp_path / "four", RIGHT, seed=2, split="validation")
    with pytest.raises(ValueError, match=r"several splits .*one on 'test', .*four on 'validation'"):
        get_common_split([one, other])
    fewer = scored(tmp_path / "five", {"a": [True], "b": [True, True]}, seed=5)
    with pytest.raises(ValueError, match=r"five and .*one of system 'x' scored different samples"):
        load_system("x", [one, fewer])


def system(name: str, *seeds: list[int], task: str = "a", start: int = 0) -> System:
    """A system that has these samples right, a list a seed."""
    matrices = tuple(np.array([[float(each), 1.0] for each in right]) for right in seeds)
    samples = tuple(str(start + number) for number in range(len(seeds[0])))
    scored = TaskStatistics(metric=ExactMatch(), name="exact", samples=samples, statistics=matrices)
    return System(name=name, seeds=tuple(range(len(seeds))), tasks={task: scored}, costs=())


def test_values_and_draws_are_of_each_seed_and_of_the_same_samples() -> None:
    right = [1, 1, 0, 0, 1, 0, 1, 1]
    one, twice = bootstrap_systems(
        [system("one", right), system("twice", right, right)], resamples=100, seed=0
    )
    # 5 of 8.
    assert one.values.tolist() == [[62.5]] and twice.values.tolist() == [[62.5], [62.5]]
    assert one.draws.shape == (1, 100, 1) and one.draws.std() > 0
    assert (one.draws == twice.draws[:1]).all() and (one.draws == twice.draws[1:]).all()
    assert one.samples == (8,) and one.limits == ((0, 100),)


def test_the_same_seed_gives_the_same_draws() -> None:
    systems = [system("a", [1, 0, 1, 1]), system("b", [0, 0, 1, 1], [1, 0, 1, 0])]
    first, again = (bootstrap_systems(systems, resamples=50, seed=5) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert (one.draws == other.draws).all()


def test_different_tasks_and_samples_are_told() -> None:
    with pytest.raises(ValueError, match="'x' was scored on a and 'y' was not"):
        check_same_samples([system("x", [1]), system("y", [1], task="b")])
    with pytest.raises(
        ValueError, match=r"'x' and 'y' scored different samples of 'a' \(3 and 3, 2 of them"
    ):
        check_same_samples([system("x", [1, 1, 1]), system("y", [1, 1, 1], start=1)])
