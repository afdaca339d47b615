"""Sums of item losses by task, and their objective by hand, whole or in parts."""

import math

import pytest
import torch

from coterie import Fixed, Uncertainty
from coterie.tasks.losses import ItemLosses, TaskLossSums, compute_objective, sum_by_task


def test_objective_of_fixed_is_the_mean_over_tokens():
    found = ItemLosses(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0, 0, 2]))
    sums = sum_by_task(found, 3)
    assert sums.sums.tolist() == [3, 0, 6] and sums.counts.tolist() == [2, 0, 1]
    # (1 + 2 + 6) / 3
    assert compute_objective(sums, Fixed().build(3), 3.0).item() == 3
    # task 2 counts double: (1 + 2 + 2 * 6) / 3
    assert compute_objective(sums, Fixed(weights=(1.0, 1.0, 2.0)).build(3), 3.0).item() == 5


def test_parts_add_up_to_the_whole_with_uncertainty():
    balancing = Uncertainty().build(2)
    balancing.sigma.data = torch.tensor([1.0, 2.0])
    whole = TaskLossSums(torch.tensor([3.0, 6.0]), torch.tensor([3.0, 1.0]))
    first = TaskLossSums(torch.tensor([1.0, 6.0]), torch.tensor([1.0, 1.0]))
    second = TaskLossSums(torch.tensor([2.0, 0.0]), torch.tensor([2.0, 0.0]))
    # means 1 and 6: 3/4 (0.5 * 1 + log 2) + 1/4 (0.5 / 4 * 6 + log 5)
    expected = 0.75 * (0.5 + math.log(2)) + 0.25 * (0.75 + math.log(5))
    assert compute_objective(whole, balancing, 4.0).item() == pytest.approx(expected)
    parts = compute_objective(first, balancing, 4.0) + compute_objective(second, balancing, 4.0)
    assert parts.item() == pytest.approx(expected)
