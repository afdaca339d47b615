"""Means of losses by task, the best of them, and when patience ends."""

from collections.abc import Sequence

import pytest
import torch

from coterie.tasks.losses import ItemLosses
from coterie.train.validation import Validation

NAMES = ("a", "b", "c")


class Rows(list):
    """Samples are (loss, task id)."""

    bad_rows = ()


def compute_losses(samples: Sequence[tuple[float, int]]) -> ItemLosses:
    losses, task_ids = zip(*samples, strict=True)
    return ItemLosses(torch.tensor(losses), torch.tensor(task_ids))


def test_means_of_the_first_rows() -> None:
    rows = [Rows([(1.0, 0), (3.0, 0), (9.0, 0)]), Rows([(4.0, 1)])]
    model = torch.nn.Linear(1, 1)
    for size in (1, 2):
        validation = Validation(rows, limit=2, batch_size=size, patience=None)
        # The third row of "a" is above the limit: (1 + 3) / 2; "c" has no row.
        assert validation.run(model, compute_losses, NAMES) == {"a": 2.0, "b": 4.0}
    assert model.training and not validation.is_new_best({"a": 0.0})


def test_patience_ends_after_validations_without_a_lower_mean() -> None:
    validation = Validation([Rows([(1.0, 0)])], limit=1, batch_size=1, patience=2)
    assert validation.is_new_best({"a": 2.0, "b": 4.0})
    assert not validation.is_new_best({"a": 4.0, "b": 2.0})  # the same mean, 3
    assert not validation.is_exhausted
    resumed = Validation([Rows([(1.0, 0)])], limit=1, batch_size=1, patience=2)
    resumed.load_state_dict(validation.state_dict())
    assert not resumed.is_new_best({"a": 3.5}) and resumed.is_exhausted
    assert resumed.is_new_best({"a": 2.5}) and not resumed.is_exhausted
    with pytest.raises(ValueError, match="patience=1: no task has validation rows"):
        Validation([], limit=1, batch_size=1, patience=1)
