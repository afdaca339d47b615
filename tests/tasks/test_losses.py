"""Sums of item losses by task."""

import torch

from coterie.tasks.losses import ItemLosses, sum_by_task


def test_losses_and_items_are_summed_by_task() -> None:
    found = sum_by_task(ItemLosses(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0, 0, 2])), 3)
    # 1 + 2 of two items, nothing, 6 of one.
    assert found.sums.tolist() == [3, 0, 6] and found.counts.tolist() == [2, 0, 1]
