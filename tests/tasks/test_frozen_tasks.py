"""Which task sets may be trained beside the tasks of an earlier run."""

import pytest

from coterie.tasks.frozen_tasks import FrozenTasks


def test_frozen_tasks_come_first_and_new_ones_follow() -> None:
    frozen = FrozenTasks(run="x", names=("a",))
    frozen.check(("a", "b", "c"))
    for names in (("b", "a"), ("a",)):
        with pytest.raises(ValueError, match=r"tasks=\['.*\]: give a data set whose tasks are"):
            frozen.check(names)


def test_new_gates_start_as_those_of_a_frozen_task() -> None:
    FrozenTasks(run="x", names=("a", "b"), initialize_from="b").check(("a", "b", "c"))
    with pytest.raises(ValueError, match="initialize_from='c': give one of a, b"):
        FrozenTasks(run="x", names=("a", "b"), initialize_from="c").check(("a", "b", "c"))
