"""The samples that are scored, and how rows are shared out to train, validation and test."""

import random

import pytest

from coterie.data.sample import MediaFile, Message, TextSample
from coterie.data.subset import SPLIT_PARTS, Subset, get_split_indices
from tests.evaluate.runs import sample


def test_a_limit_takes_the_same_samples_each_time_from_all_over() -> None:
    rows = [sample("a", number) for number in range(100)]
    chosen = Subset(rows, limit=10, blind=False)
    sources = [each.source for each in chosen]
    assert sources == [each.source for each in Subset(rows, limit=10, blind=False)]
    assert len(set(sources)) == 10
    numbers = [int(source.partition(":")[2]) for source in sources]
    assert numbers == sorted(numbers) and numbers[-1] > 50
    assert len(Subset(rows, limit=None, blind=False)) == len(Subset(rows, limit=500, blind=False))


def test_blind_samples_have_no_pictures() -> None:
    turn = Message(role="user", parts=(MediaFile(kind="image", content=b"x"), "what is it?"))
    rows = [TextSample(task="a", messages=(turn,), answers=("tea",), source="rows.jsonl:1")]
    assert len(Subset(rows, limit=None, blind=False)[0].get_media()) == 1
    assert not Subset(rows, limit=None, blind=True)[0].get_media()


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
    with pytest.raises(ValueError, match=r"2 different rows .*, as rows with the same picture, so"):
        get_split_indices([1, 1, 2], SPLIT_PARTS["train"])
