from typing import Any

import torch

from coterie.routing.context import RoutingContext
from coterie.routing.task_selection import find_rows_of_tasks, select_tasks


def make_context(ids: list[int], single: int | None = None) -> Any:
    cpu = torch.device("cpu")
    return RoutingContext(
        batch_size=len(ids), device=cpu, task_ids=torch.tensor(ids), single_task=single
    )


def test_ids_become_positions_and_other_tasks_the_first() -> None:
    context = make_context([2, 0, 3, 2])
    assert select_tasks(context, (3, 2)).task_ids.tolist() == [1, 0, 0, 1]
    assert context.task_ids.tolist() == [2, 0, 3, 2]


def test_the_one_task_of_a_batch() -> None:
    assert select_tasks(make_context([2, 2], 2), (3, 2)).single_task == 1
    assert select_tasks(make_context([0, 0], 0), (3, 2)).single_task == 0
    assert select_tasks(make_context([0, 2]), (3, 2)).single_task is None


def test_decisions_are_cached_in_one_place() -> None:
    context = make_context([0, 1])
    assert select_tasks(context, (1,)).cached_decisions is context.cached_decisions


def test_a_sample_has_several_rows() -> None:
    # Two samples, four rows: the first two rows are the first sample's.
    rows = find_rows_of_tasks(make_context([5, 1]), (1, 7), "text", (4, 3))
    assert rows.tolist() == [False, False, True, True]


def test_a_batch_without_task_ids_is_left_to_the_gates() -> None:
    context = RoutingContext(batch_size=1, device=torch.device("cpu"))
    assert select_tasks(context, (1,)) is context
