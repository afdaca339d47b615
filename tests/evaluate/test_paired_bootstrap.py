"""Paired draws: the same samples for all, and what that is good for."""

import numpy as np
import pytest

from coterie.evaluate.bootstrap import compute_percentile_interval
from coterie.evaluate.paired_bootstrap import (
    bootstrap_systems,
    check_same_samples,
    compute_share_better,
)
from coterie.evaluate.systems import System, TaskStatistics
from coterie.metrics.text.exact_match import ExactMatch


def system(name: str, *seeds: list[int], task: str = "a", start: int = 0) -> System:
    """A system that has these samples right, a list a seed."""
    matrices = tuple(np.array([[float(each), 1.0] for each in right]) for right in seeds)
    samples = tuple(str(start + number) for number in range(len(seeds[0])))
    scored = TaskStatistics(metric=ExactMatch(), name="exact", samples=samples, statistics=matrices)
    return System(name=name, seeds=tuple(range(len(seeds))), tasks={task: scored}, costs=())


def test_values_are_means_over_seeds_and_draws_are_of_the_same_samples() -> None:
    right = [1, 1, 0, 0, 1, 0, 1, 1]
    one, twice = bootstrap_systems(
        [system("one", right), system("twice", right, right)], resamples=100, seed=0
    )
    # 5 of 8.
    assert one.values.tolist() == twice.values.tolist() == [62.5]
    # Seeds that do not differ add nothing to the samples' own draws.
    assert np.allclose(one.resamples, twice.resamples)
    assert one.resamples.shape == (100, 1) and one.resamples.std() > 0


def test_draws_end_with_the_scale() -> None:
    # Seeds of 100 and 90 %: where the first is drawn twice, its distance from 95 grows by sqrt(2).
    (found,) = bootstrap_systems([system("one", [1] * 10, [1] * 9 + [0])], resamples=200, seed=0)
    assert found.resamples.max() == 100


def test_a_paired_difference_is_surer_than_an_unpaired_one() -> None:
    random = np.random.default_rng(0)
    base = (random.random(300) < 0.5).astype(int)
    more = base.copy()
    more[np.flatnonzero(base == 0)[:12]] = 1  # right wherever the other is, and 12 times more
    first, second = bootstrap_systems(
        [system("base", base.tolist()), system("more", more.tolist())], resamples=2000, seed=0
    )
    paired = compute_percentile_interval(4.0, second.resamples[:, 0] - first.resamples[:, 0])
    shuffled = np.random.default_rng(1).permutation(first.resamples[:, 0])
    unpaired = compute_percentile_interval(4.0, second.resamples[:, 0] - shuffled)
    # Differences are 1 in 12 of 300 samples: 4 % with an error of sqrt(.04 .96 / 300) = 1.13 %;
    # unpaired, of sqrt(2 * .25 / 300) = 4.1 %.
    assert paired.low == pytest.approx(4 - 1.96 * 1.13, abs=0.4)
    assert paired.high == pytest.approx(4 + 1.96 * 1.13, abs=0.4)
    assert unpaired.low < 0 < paired.low
    assert unpaired.high - unpaired.low > 3 * (paired.high - paired.low)
    # It is never worse on the same samples, and equal when none of the 12 is drawn: e ** -12.
    assert compute_share_better(second.resamples[:, 0], first.resamples[:, 0]) > 0.999


def test_the_same_seed_gives_the_same_draws() -> None:
    systems = [system("a", [1, 0, 1, 1]), system("b", [0, 0, 1, 1], [1, 0, 1, 0])]
    first, again = (bootstrap_systems(systems, resamples=50, seed=5) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert (one.resamples == other.resamples).all()


def test_better_counts_ties_half_and_leaves_out_what_is_undefined() -> None:
    one = np.array([1.0, 2.0, 3.0, np.nan])
    other = np.array([2.0, 2.0, 2.0, 2.0])
    # Worse, equal, better: 1.5 of 3.
    assert compute_share_better(one, other) == 0.5
    assert compute_share_better(np.array([3.0]), np.array([2.0]), higher_is_better=False) == 0
    assert np.isnan(compute_share_better(np.array([np.nan]), np.array([1.0])))


def test_different_tasks_and_samples_are_told() -> None:
    with pytest.raises(ValueError, match="'x' was scored on a and 'y' was not"):
        check_same_samples([system("x", [1]), system("y", [1], task="b")])
    with pytest.raises(
        ValueError, match=r"'x' and 'y' scored different samples of 'a' \(3 and 3, 2 of them"
    ):
        check_same_samples([system("x", [1, 1, 1]), system("y", [1, 1, 1], start=1)])
