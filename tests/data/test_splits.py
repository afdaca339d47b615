"""How rows are shared out to train, validation and test."""

import random

import pytest

from coterie.data.splits import SPLIT_PARTS, get_split_indices


def test_parts_by_hand() -> None:
    # Ten different groups: the lowest for testing, the next for validation, eight for training.
    groups = [70, 10, 20, 30, 40, 50, 60, 0, 80, 90]
    assert get_split_indices(groups, SPLIT_PARTS["test"]) == [7]
    assert get_split_indices(groups, SPLIT_PARTS["validation"]) == [1]
    assert get_split_indices(groups, SPLIT_PARTS["train"]) == [0, 2, 3, 4, 5, 6, 8, 9]


def test_parts_are_all_and_do_not_overlap_and_keep_groups_together() -> None:
    rng = random.Random(0)
    groups = [rng.randrange(97) << 57 for _ in range(400)]
    parts = {name: get_split_indices(groups, part) for name, part in SPLIT_PARTS.items()}
    assert sorted(i for part in parts.values() for i in part) == list(range(len(groups)))
    sets = [{groups[i] for i in part} for part in parts.values()]
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])


def test_three_rows_are_one_each() -> None:
    assert [get_split_indices([5, 3, 4], part) for part in SPLIT_PARTS.values()] == [[0], [2], [1]]


def test_two_different_rows_are_too_few() -> None:
    with pytest.raises(ValueError, match=r"2 different rows cannot be shared out to train, valid"):
        get_split_indices([1, 1, 2], SPLIT_PARTS["train"])
