"""Paired draws: the same samples for all, and what that is good for."""

import numpy as np
import pytest

from coterie.evaluate.paired_bootstrap import bootstrap_systems, check_same_samples
from coterie.evaluate.systems import System, TaskStatistics
from coterie.metrics.text.exact_match import ExactMatch


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
