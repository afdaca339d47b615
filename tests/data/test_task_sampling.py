"""Shares, permutations and prefixes of the mix of tasks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie import serialization
from coterie.data.task_sampling import TaskSampling, compute_samples_per_batch

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=6)
MIXES = st.builds(
    TaskSampling,
    temperature=st.sampled_from([1.0, 1.5, 4.0, "equal"]),
    one_task_per_batch=st.booleans(),
)


def test_shares_by_hand() -> None:
    # sizes 1 and 4: 1/5, 4/5; T = 2 takes roots, 1 and 2: 1/3, 2/3; equal: halves.
    assert TaskSampling().compute_task_probabilities([1, 4]) == pytest.approx([0.2, 0.8])
    assert TaskSampling(temperature=2).compute_task_probabilities([1, 4]) == pytest.approx(
        [1 / 3, 2 / 3]
    )
    assert TaskSampling(temperature="equal").compute_task_probabilities([1, 4]) == pytest.approx(
        [0.5, 0.5]
    )


def test_weights_are_factors_of_shares() -> None:
    # sizes 1 and 4, weights 2 and 1: 2/6 and 4/6; of equal shares 2/3 and 1/3.
    weights = (2.0, 1.0)
    assert TaskSampling().compute_task_probabilities([1, 4], weights) == pytest.approx(
        [1 / 3, 2 / 3]
    )
    assert TaskSampling(temperature="equal").compute_task_probabilities(
        [1, 4], weights
    ) == pytest.approx([2 / 3, 1 / 3])
    # Of 12 samples in 4 batches, 2/3 are 8.
    drawn = TaskSampling(temperature="equal").sample_batches(
        [5, 5], batch_size=3, steps=4, seed=0, weights=weights
    )
    assert (drawn[..., 0] == 0).sum() == 8


def test_batches_by_hand() -> None:
    # Shares 1/4 and 3/4 of batches of 4: one and three of each batch, each row once in an epoch.
    batches = TaskSampling().sample_batches([2, 6], batch_size=4, steps=2, seed=0)
    assert batches.shape == (2, 4, 2) and batches.dtype == np.int64
    assert (batches[..., 0] == 0).sum(1).tolist() == [1, 1]
    assert sorted(map(tuple, batches.reshape(-1, 2).tolist())) == [
        *((0, row) for row in range(2)),
        *((1, row) for row in range(6)),
    ]


@settings(max_examples=60, deadline=None)
@given(mix=MIXES, sizes=SIZES, batch_size=st.integers(1, 9), steps=st.integers(0, 40))
def test_every_prefix_has_its_shares_to_one_sample(mix, sizes, batch_size, steps) -> None:
    tasks = mix.sample_batches(sizes, batch_size=batch_size, steps=steps, seed=3)[..., 0]
    shares, unit = (
        mix.compute_task_probabilities(sizes),
        batch_size if mix.one_task_per_batch else 1,
    )
    for step in range(1, steps + 1):
        counts = np.bincount(tasks[:step].ravel(), minlength=len(sizes))
        assert (abs(counts - shares * step * batch_size) < unit + 1e-6).all()
    if mix.one_task_per_batch:
        assert (tasks == tasks[:, :1]).all()


@settings(max_examples=40, deadline=None)
@given(mix=MIXES, sizes=SIZES, batch_size=st.integers(1, 9), steps=st.integers(1, 40))
def test_each_pass_is_a_fresh_permutation(mix, sizes, batch_size, steps) -> None:
    drawn = mix.sample_batches(sizes, batch_size=batch_size, steps=steps, seed=5)
    whole = drawn.reshape(-1, 2)
    for task, size in enumerate(sizes):
        rows = whole[whole[:, 0] == task, 1]
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            assert len(set(part.tolist())) == len(part) and part.max() < size


@settings(max_examples=40, deadline=None)
@given(mix=MIXES, sizes=SIZES, steps=st.integers(0, 20), more=st.integers(0, 20))
def test_more_steps_only_go_on(mix, sizes, steps, more) -> None:
    first = mix.sample_batches(sizes, batch_size=4, steps=steps, seed=1)
    longer = mix.sample_batches(sizes, batch_size=4, steps=steps + more, seed=1)
    assert (first == longer[:steps]).all()


def test_passes_differ_and_so_do_seeds_and_tasks() -> None:
    drawn = TaskSampling().sample_batches([50, 50], batch_size=100, steps=2, seed=0)
    orders = [part[part[:, 0] == task, 1].tolist() for part in drawn for task in range(2)]
    orders.append(
        TaskSampling().sample_batches([50], batch_size=50, steps=1, seed=1)[0, :, 1].tolist()
    )
    assert len({tuple(order) for order in orders}) == 5


def test_the_same_arguments_give_the_same_whatever_was_drawn_before() -> None:
    first = TaskSampling().sample_batches([5, 7], batch_size=3, steps=9, seed=2)
    np.random.seed(1)
    assert (first == TaskSampling().sample_batches([5, 7], batch_size=3, steps=9, seed=2)).all()


def test_tasks_take_turns_where_shares_are_equal() -> None:
    assert compute_samples_per_batch(np.full(3, 1 / 3), 1, 6).argmax(1).tolist() == [
        0,
        1,
        2,
        0,
        1,
        2,
    ]


def test_a_million_rows() -> None:
    drawn = TaskSampling().sample_batches([10**6, 10**3], batch_size=32, steps=2000, seed=0)
    assert np.unique(drawn[drawn[..., 0] == 0, 1]).size == (drawn[..., 0] == 0).sum()


def test_infinity_is_called_equal_and_can_be_saved() -> None:
    mix = TaskSampling(temperature=math.inf)
    assert (
        mix == TaskSampling(temperature="equal")
        and serialization.loads(serialization.dumps(mix)) == mix
    )


def test_steps_per_epoch() -> None:
    assert TaskSampling().count_steps_per_epoch([5, 6], 4) == 3  # 11 / 4, rounded up


@pytest.mark.parametrize("temperature", [0.5, -1, math.nan, "even"])
def test_temperature_is_checked(unchecked, temperature) -> None:
    with pytest.raises(
        ValueError, match=r'TaskSampling\(temperature=.*\): give a number, at least 1, or "e'
    ):
        TaskSampling(temperature=temperature)


@pytest.mark.parametrize("sizes", [[], [3, 0]])
def test_sizes_are_checked(sizes) -> None:
    with pytest.raises(ValueError, match=r"sizes = .*: give a task or more, each with a row"):
        TaskSampling().sample_batches(sizes, batch_size=1, steps=1, seed=0)


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"steps": -1}, {"seed": -1}])
def test_counts_are_checked(wrong) -> None:
    with pytest.raises(ValueError, match=r"give a batch size of at least 1"):
        TaskSampling().sample_batches([3], **{"batch_size": 1, "steps": 1, "seed": 0, **wrong})


def test_batches_of_one_group_by_hand() -> None:
    # Task 0 has rows 0 and 2 of group 0, row 1 of group 1; task 1 six rows of group 1. Of nine
    # rows, group 0 has 2 and group 1 has 7: of 9 batches of 4 they get 2 and 7.
    groups = [np.array([0, 1, 0]), np.ones(6, np.int64)]
    mix = TaskSampling(group_by_modality=True)
    drawn = mix.sample_grouped_batches(groups, batch_size=4, steps=9, seed=1)
    found = [{int(groups[task][row]) for task, row in batch} for batch in drawn]
    assert sorted(map(tuple, found)) == [(0,)] * 2 + [(1,)] * 7
    # Four passes over all rows.
    counts = np.unique(drawn.reshape(-1, 2), axis=0, return_counts=True)[1]
    assert counts.tolist() == [4] * 9
    longer = mix.sample_grouped_batches(groups, batch_size=4, steps=20, seed=1)
    assert (longer[:9] == drawn).all()


def test_one_group_is_a_task_s_share_of_all() -> None:
    # Shares by roots of 1 and 4, 1/3 and 2/3; half of the second task's rows are of group 1.
    groups = [np.zeros(1, np.int64), np.array([0, 0, 1, 1])]
    mix = TaskSampling(temperature=2, group_by_modality=True)
    drawn = mix.sample_grouped_batches(groups, batch_size=2, steps=30, seed=0)
    is_first = [groups[task][row] == 0 for task, row in drawn[:, 0]]
    assert sum(is_first) == 20
    # Of 60 samples a third are the first task's, up to one.
    assert abs((drawn[..., 0] == 0).sum() - 20) <= 1
