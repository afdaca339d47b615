"""Indices of samples in batches of equal size."""

import re

import pytest

from coterie.tasks.gradients.source import split_into_batches


def test_batches_are_of_the_first_samples() -> None:
    # 3 batches of 2 need 6 of the 7 indices.
    order = [6, 2, 0, 4, 1, 5, 3]
    assert split_into_batches(order, 3, 2, task="a", has="rows") == [[6, 2], [0, 4], [1, 5]]


def test_batches_are_smaller_where_samples_are_few() -> None:
    # 5 samples in 2 batches are 2 each; the fifth is left out.
    assert split_into_batches([4, 3, 2, 1, 0], 2, 8, task="a", has="rows") == [[4, 3], [2, 1]]


def test_fewer_samples_than_batches_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("task 'a' has 1 rows: 2 batches of")):
        split_into_batches([0], 2, 8, task="a", has="rows")
