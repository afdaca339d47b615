"""How stages share a run's steps."""

from coterie.train.steps import split_steps


def test_steps_are_shared_out():
    assert split_steps(10, [1, 1, 1]) == [4, 3, 3]
    assert split_steps(3, [100, 1, 1]) == [1, 1, 1]
    assert split_steps(100, [1, 3]) == [25, 75]
